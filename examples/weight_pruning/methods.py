"""What is compared: one line per method, everything else (network, batch, epochs, data) being the same."""

import math
from dataclasses import dataclass

from bitsback.policy.choice import Saliency
from bitsback.posterior.inference import Inference
from bitsback.posterior.mean_field import MeanField
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point import Point
from bitsback.posterior.prior import ScaleMixture

HIDDEN = (500, 500)
BATCH = 100
EPOCHS = 50
SPARSITIES = (0.0, 0.5, 0.75, 0.9, 0.95, 0.98)
PUBLISHED_SGD = {"mnist": 0.9783, "fashion-mnist": 0.8967}  # unpruned; the level for "time to equal accuracy"
DATASETS = {"mnist": "fashion-mnist", "fashion-mnist": "mnist"}  # each with what it does not know


@dataclass(frozen=True)
class Method:
    """A way to train the network.

    Attributes:
        inference: the inference method.
        optimization: optimizer and schedule.
        dropout: the network's dropout.
        saliencies: what prunes it; the first is the method's own.
        epochs: fewer than the study's, where a method is at its best earlier.
    """

    inference: Inference
    optimization: Optimization
    dropout: float = 0.0
    saliencies: tuple[Saliency, ...] = ("magnitude",)
    epochs: int | None = None


_PLAIN = Optimization("sgd", learning_rate=0.1, momentum=0.0, schedule="constant")
# Learning rate of 0.01, 0.02, 0.05 and weight decay of 0, 5e-4: the best NLL on 10,000 held-out training images of both sets.
_CAREFUL = Optimization("sgd", learning_rate=0.05, momentum=0.9, weight_decay=5e-4, schedule="cosine")

METHODS = {
    "bayes_by_backprop": Method(
        MeanField(ScaleMixture(0.5, 1.0, math.exp(-5)), initial_std=math.exp(-7), std_rate=1.0),
        Optimization("adam", learning_rate=1e-3, schedule="cosine"),
        saliencies=("snr", "magnitude"),
    ),
    "sgd": Method(Point(), _PLAIN),
    "sgd_cosine": Method(Point(), _CAREFUL),
    "sgd_cosine_short": Method(Point(), _CAREFUL, epochs=15),
    "dropout_0.5": Method(Point(), _CAREFUL, dropout=0.5),
    "dropout_0.75": Method(Point(), _CAREFUL, dropout=0.75),
    "dropout_0.9": Method(Point(), _CAREFUL, dropout=0.9),
}
