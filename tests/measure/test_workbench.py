import json

import pytest

from bitsback.errors import ArtifactError, DeviceError
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.targets import TARGETS
from bitsback.measure.workbench import Workbench, described, order
from tests.lower.run.native import plans


def test_a_machine_describes_itself():
    found = described(Workbench().describe())
    assert found.name.endswith(f"({found.machine})")
    assert {TARGETS[each].machine for each in found.targets} <= {found.machine}


def test_targets_of_a_later_version_are_passed_over():
    said = json.dumps({"name": "Chip", "machine": "aarch64", "targets": ["aarch64-v9", "aarch64"]})
    assert described(said).targets == ("aarch64",)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"name": 1, "machine": "m", "targets": []}',
        '{"name": "n", "machine": "m", "targets": [1]}',
    ],
)
def test_what_is_no_description_is_quoted(said):
    with pytest.raises(DeviceError, match="which is no description of a device"):
        described(said)


def test_what_another_processor_runs_is_not_loaded():
    bench = Workbench()
    elsewhere = next(name for name, each in TARGETS.items() if each.machine != described(bench.describe()).machine)
    with pytest.raises(ArtifactError, match=f"a library is for {elsewhere}, and this machine is"):
        bench.put(*order(plans.plan(), Library(elsewhere, b"no code", (Entry(1),)), 1))
