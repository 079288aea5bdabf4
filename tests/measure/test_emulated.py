"""A device for numbers, and none for times."""

import numpy as np

from bitsback.lower.run.native.library import Entry, open_library
from bitsback.lower.run.native.targets import runnable
from bitsback.measure.emulated import Emulated
from tests.emulation import needs_emulation
from tests.lower.run.native import plans


def test_it_is_of_one_architecture():
    device = Emulated()
    assert (device.name, device.targets) == ("emulated-aarch64", ("aarch64",))


@needs_emulation
def test_it_says_what_a_library_answers():
    from bitsback.lower.build.native.library import build

    inputs = np.random.default_rng(0).normal(size=(3, *plans.SHAPE)).astype(np.float32)
    libraries = [build(plans.sure(), target, [Entry(2)]) for target in ("aarch64", runnable()[0])]
    found = Emulated().run(plans.sure(), libraries[0], inputs)
    for got, expected in zip(found, open_library(plans.sure(), libraries[1]).run(inputs), strict=True):
        np.testing.assert_allclose(
            got, expected, rtol=2e-5, atol=2e-6
        )  # what is fused may differ, by float32's rounding
