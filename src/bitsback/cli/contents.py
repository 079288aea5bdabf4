"""What a packed file or a run folder holds, for `inspect`."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bitsback.artifact.container import HEADER, NATIVE, code_name, read, read_header
from bitsback.artifact.manifest import Manifest
from bitsback.measure.journal import TIMED
from bitsback.report.promise import Kept
from bitsback.report.quantity import quantity, shown
from bitsback.report.tables import summary
from bitsback.run.folder import open_run

_BYTES = "bytes"


def of_file(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """A packed file's manifest and sizes, as plain data and as something to draw.

    Raises:
        ArtifactError: The file is missing, damaged, or of another version.
    """
    from rich.text import Text

    manifest = read(path).manifest
    size = path.stat().st_size
    with path.open("rb") as file:
        sections = {each.name: each.size for each in read_header(file.read(HEADER), size, str(path))}
    contents = {"file": str(path), "bytes": size, "sections": sections, **asdict(manifest)}
    return contents, [Text(line) for line in _lines(path, size, sections, manifest)]


def of_run(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """A run folder's parts and newest figures.

    Raises:
        RunError: There is none, or it is of another version.
    """
    from rich.text import Text

    run = open_run(path)
    rows = run.rows()
    parts = {each.name: each.stat().st_size for each in sorted(path.iterdir()) if each.is_file()}
    contents = {"run": str(path), "files": parts, "rows": len(rows)}
    lines = [Text(f"{name:24}{shown(size, 'bytes'):>10}") for name, size in parts.items()]
    return contents, [*lines, summary(rows)]


def _lines(path: Path, size: int, sections: dict[str, int], manifest: Manifest) -> list[str]:
    unit = {"propagated": "points of its outputs", "stochastic": "draws in each call"}.get(manifest.form, "members")
    swapped = ", swapped in one after the other (--members asks the first)" if manifest.mapped else ""
    members = f" of {manifest.members} {unit}{swapped}" if manifest.members > 1 else ""
    lines = [
        f"{path}: {shown(size, 'bytes')}, written by bitsback {manifest.bitsback}",
        f"  predicts   {manifest.task} by {manifest.form}{members}",
        f"  input      float32 [batch, {', '.join(map(str, manifest.input.shape))}], white = {manifest.input.white:g}",
        f"  answers    {', '.join(manifest.labels[:12]) or f'{manifest.outputs} targets'}",
        f"  sections   {', '.join(f'{name} {shown(each, _BYTES)}' for name, each in sections.items())}",
        f"  tensors    {_tensors(manifest)}",
        *(f"    {line}" for line in _each_tensor(manifest)),
        *(f"  library    {line}" for line in _libraries(manifest)),
    ]
    temperature = manifest.recipe.get("temperature")
    if isinstance(temperature, int | float):
        lines.append(f"  fit        at temperature T = {temperature:g}")
    inference = manifest.recipe.get("inference")
    if isinstance(inference, dict) and inference.get("method") == "imported":
        lines.append(f"  posterior  imported from {inference.get('posterior')}")
    lines.append(f"  promise    {_promise(manifest)}")
    several = len({str(row.get("device")) for row in manifest.measurements if row["what"] in TIMED}) > 1
    for row in manifest.measurements:
        if row["what"] in {"threshold", "calibration_coverage"}:
            continue  # the promise says them
        named = quantity(str(row["what"]))
        of = row.get("of")  # a reader's own affair, and so of any kind in a stranger's file
        name = f"Latency beside {of['beside']}" if isinstance(of, dict) and "beside" in of else named.name
        place = f" on {row.get('device')}" if several and row["what"] in TIMED else ""
        lines.append(f"  {name:31} {shown(row['value'], named.kind)} {named.unit}".rstrip() + place)
    return lines


def _promise(manifest: Manifest) -> str:
    rule = manifest.abstain
    if rule is None:
        return "none: it answers everything"
    shares = [row["value"] for row in manifest.measurements if row["what"] == "calibration_coverage"]
    accepted = shares[-1] if shares else None
    return Kept(rule.score, rule.threshold, rule.error_rate, rule.confidence, rule.tolerance, accepted).sentence


def _libraries(manifest: Manifest) -> list[str]:
    sizes = {each.name: each.size for each in manifest.tensors}
    plan = sum(each.size for each in manifest.tensors if each.name.startswith(NATIVE)) - sum(
        sizes[code_name(target)] for target in manifest.targets
    )
    lines = [
        f"{each['target']}: {shown(sizes[code_name(each['target'])], _BYTES)}, "
        f"batches of {', '.join(str(entry['batch']) for entry in reversed(each['entries']))}"
        for each in manifest.libraries
    ]
    return [*lines, f"weights for all of them: {shown(plan, _BYTES)}"] if lines else []


def _tensors(manifest: Manifest) -> str:
    count = Counter(each.encoding for each in manifest.tensors)
    said = {
        "dense": "as they are",
        "bitmap": "without their zeros",
        "members": "by what their members share",
        "codebook": "by a codebook",
    }
    return (
        f"{len(manifest.tensors)}: {', '.join(f'{count[name]} {words}' for name, words in said.items() if count[name])}"
    )


def _each_tensor(manifest: Manifest) -> list[str]:
    """Where every byte of the weights goes, the largest first."""
    ordered = sorted(manifest.tensors, key=lambda each: -each.size)
    width = min(max((len(each.name) for each in ordered), default=0), 44)
    return [
        f"{each.name:{width}}  {f'{each.dtype} {list(each.shape)}':26} {each.encoding:8}{each.size:>12,} bytes"
        for each in ordered
    ]
