"""The study of where structures come from, with two members, one density and one epoch."""

import pytest

import bitsback
from bench import structures_tables
from examples.shared_ensemble import structures


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    data = bitsback.dataset("digits", limit=400)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"KEPT": (0.3,), "MEMBERS": 2, "DENSE": 2, "RECOVERY": 1}.items():
            patch.setattr(structures, name, value)
        study = structures.Study(data, tmp_path_factory.mktemp("runs"), network="mlp")
        return [row for found in structures.rows(study) for row in found]


def test_every_source_has_a_row_at_every_density(rows):
    found = {(row.of["source"], row.of["kept"]) for row in rows}
    dense = {"dense", "draws", "dense_members", "dense_member"}
    assert found == {(each, 1.0 if each in dense else 0.3) for each in structures_tables.SOURCES}


def test_an_ensemble_answers_and_its_members_alone_have_a_spread(rows):
    by = {row.of["source"]: row for row in rows if row.what == "nll" and row.of["kept"] in {0.3, 1.0}}
    assert by["members_shared"].of["members"] == by["snr_draws"].of["members"] == 2
    assert by["magnitude"].of["members"] == 1
    for source in ("member_shared", "member_own", "dense_member"):
        low, high = by[source].spread
        assert low <= by[source].value <= high


def test_the_table_has_a_line_for_each_source_and_a_column_for_each_density(rows):
    lines = structures_tables.made(rows).splitlines()
    assert len(lines) == 2 + len(structures_tables.SOURCES)
    assert lines[0] == "| which | 100 % kept | 30 % kept |"
