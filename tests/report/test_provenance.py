from dataclasses import replace

from bitsback.report.provenance import provenance

from .journal import DENSE, full, row


def told(rows):
    return {fact.name: fact.values for fact in provenance(rows).facts}


def test_everything_needed_to_make_it_again_is_told():
    found = told(full())
    assert found["command"] == ("bitsback run recipe.toml",)
    assert found["commit"] == ("0123456789ab",)
    assert found["seed"] == ("3",)
    assert found["temperature T"] == ("1.00",)
    assert found["device"] == ("a processor, 1 thread",)
    assert "numpy 2.4.0" in found["versions"]
    assert found["rows"] == (str(len(full())),)


def test_a_clean_journal_has_no_warnings():
    assert provenance(full()).warnings == ()


def test_changes_commits_and_devices_that_differ_are_warned_of():
    one = row("latency", 1.0, **DENSE)
    other = replace(one, dirty=True, commit="fedcba", device="another")
    warnings = " ".join(provenance([one, other]).warnings)
    assert "uncommitted" in warnings
    assert "more than one commit" in warnings
    assert "more than one device" in warnings
    assert told([one, other])["commit"] == ("0123456789ab", "fedcba with changes")


def test_seed_zero_is_a_seed():
    assert told([replace(row("kl", 1.0), seed=0)])["seed"] == ("0",)


def test_many_commands_are_cut_short():
    rows = [replace(row("kl", 1.0), command=f"run {index}") for index in range(20)]
    assert told(rows)["command"][-1] == "and 14 more"
