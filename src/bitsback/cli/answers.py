"""What `predict` does. It imports nothing that a prediction does not need: the time to the first answer is measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitsback.cli.screen import show, table, warn
from bitsback.errors import RecipeError
from bitsback.runtime.predictor import Answer, Predictor, check_all_asked, load

DECLINED = "I don't know"


def answer(
    model: str | Path,
    inputs: Sequence[str | Path],
    *,
    resize: bool = False,
    threads: int = 1,
    native: bool = False,
    device: str | None = None,
    draw_seed: int | None = None,
    members: int | None = None,
    as_json: bool = False,
) -> None:
    """Predict for every sample of every file, and print the answers.

    Args:
        model: The packed file.
        inputs: Files of samples.
        resize: Whether images of another size are resized.
        threads: How many threads a call may use.
        native: Whether a native library in the file is run, which is trusted then.
        device: Where it predicts: emulated-aarch64, or "cpu", this machine, which None is too.
        draw_seed: Decides what a program of the stochastic form draws.
        members: How many members of an ensemble with swapped members are asked.
        as_json: Print them as JSON.

    Raises:
        ArtifactError: The packed file is missing, damaged, or of another version, or has no library for the device.
        RecipeError: There is no such device, or a native library is not allowed.
        MissingExtraError: What emulates is not installed.
        DataError: A file of samples is missing, malformed, or does not fit; nothing was printed.
    """
    from bitsback.runtime.inputs import IMAGE_SUFFIXES, doubt, read_inputs

    how = {"native": native, "draw_seed": draw_seed, "members": members}
    predictor = _opened(model, threads, device, how)
    found: list[tuple[str, int, Answer]] = []
    doubts: dict[str, str] = {}
    for path in inputs:
        samples = read_inputs(path, predictor.manifest.input, resize=resize)
        words = None if Path(path).suffix.lower() in IMAGE_SUFFIXES else doubt(samples, predictor.manifest.input)
        if words is not None:
            doubts[str(path)] = words
        found += [(str(path), index, each) for index, each in enumerate(predictor.predict(samples).answers())]
    if doubts:
        first, others = next(iter(doubts)), len(doubts) - 1
        warn(f"in {first}{f' and {others} more' if others else ''}, {doubts[first]}")
    show(
        [
            {"file": path, "index": index, **each._asdict(), "warnings": [doubts[path]] if path in doubts else []}
            for path, index, each in found
        ],
        as_json=as_json,
        text=lambda: _table(predictor, found),
    )


def _opened(model: str | Path, threads: int, device: str | None, how: dict[str, Any]) -> Predictor:
    if device is None:
        return load(model, threads, **how)
    from bitsback.run.devices import EMULATED, HERE
    from bitsback.runtime.emulated import load_emulated

    if device == HERE:
        return load(model, threads, **how)
    if device != EMULATED:
        raise RecipeError(f"there is no device {device!r:.80} to predict on; there are {HERE} and {EMULATED}")
    if not how["native"]:
        raise RecipeError(f"{EMULATED} runs a native library of {model}, which is machine code: allow it with --native")
    check_all_asked(how["members"], how["draw_seed"])
    return load_emulated(model, threads)


def _table(predictor: Predictor, found: Sequence[tuple[str, int, Answer]]) -> str:
    several = {path for path, index, _ in found if index}
    rows = [
        [
            f"{path}[{index}]" if path in several else path,
            *_said(predictor, each),
            *(f"{amount:.4g}" for amount in (each.total, each.data, each.knowledge)),
        ]
        for path, index, each in found
    ]
    head = ("class", "probability") if predictor.manifest.task == "classification" else ("mean",)
    return table(["input", *head, "total", "data", "knowledge"], rows)


def _said(predictor: Predictor, each: Answer) -> list[str]:
    if predictor.manifest.task == "regression":
        return [DECLINED if each.abstain else " ".join(f"{mean:.5g}" for mean in each.mean)]
    guess = f"{each.probability:.1%}"
    return [DECLINED, f"{each.label}? {guess}"] if each.abstain else [str(each.label), guess]
