from dataclasses import replace

import pytest
import torch

from bitsback.errors import PromiseError, RunError
from bitsback.recipe.sections import Abstain, Compress
from bitsback.recipe.text import parse
from bitsback.report.evidence import Variant, newest, value
from bitsback.report.promise import promise
from bitsback.run.compress import compress, compressed
from bitsback.run.evaluate import evaluate
from bitsback.run.fit import dense, fit, recipe_of
from bitsback.run.materials import Materials, gather
from bitsback.run.measure import files
from bitsback.run.pack import pack
from bitsback.run.watcher import Watcher
from bitsback.runtime.predictor import load
from tests.given.files import digits_like, write_idx_set
from tests.run.tiny import CONTENT


def with_part(run, **parts) -> Materials:
    materials = gather(recipe_of(run))
    return replace(materials, recipe=replace(materials.recipe, **parts))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"fit": {**CONTENT["fit"], "epochs": 41}}, "fit.epochs = 40 and not 41"),
        ({"seed": 1}, "seed = 0 and not 1"),
        ({"inference": {"method": "point"}}, "inference = "),
        ({"network": {"name": "mlp", "options": {"hidden": [13]}}}, "network.options"),
    ],
)
def test_another_run_is_not_mixed_in(copied_run, change, match):
    before = copied_run.file("recipe").read_bytes()
    with pytest.raises(RunError, match=match):
        fit(copied_run.path, parse({**CONTENT, **change}), Watcher(), command="test")
    assert copied_run.file("recipe").read_bytes() == before


def test_a_run_that_cannot_be_leaves_no_folder(tmp_path):
    from bitsback.errors import BitsbackError

    for change in ({"network": {"name": "nothing"}}, {"data": {"name": "nowhere"}}, {"fit": {"epochs": 0}}):
        with pytest.raises(BitsbackError):
            fit(tmp_path / "run", parse({**CONTENT, **change}), Watcher(), command="test")
    assert not (tmp_path / "run").exists()


def test_pruning_is_exact_and_read_back(copied_run):
    materials = with_part(copied_run, compress=Compress(policy=parse({"compress": {"policy": {}}}).compress.policy))
    pruned = compress(copied_run, materials)
    again = compressed(copied_run, materials)
    assert pruned.sparsity == again.sparsity == pytest.approx(0.9, abs=1e-3)
    for name, (mean, var) in again.posterior.marginals().items():
        if name in again.masks:
            assert not mean[again.masks[name] == 0].any()
            assert not var[again.masks[name] == 0].any()


def test_cycles_with_fine_tuning_reach_the_sparsity_and_resume(copied_run, monkeypatch):
    materials = with_part(copied_run, compress=Compress(cycles=2, fine_tune_epochs=2))
    whole = compress(copied_run, materials)
    assert whole.sparsity == pytest.approx(0.9, abs=1e-3)
    assert not copied_run.has("cycles")
    _interrupt_in_cycle(2, copied_run, materials, monkeypatch)
    resumed = compress(copied_run, materials)
    for name, (mean, var) in resumed.posterior.marginals().items():
        assert torch.equal(mean, whole.posterior.marginals()[name].mean)
        assert torch.equal(var, whole.posterior.marginals()[name].var)


def _interrupt_in_cycle(cycle, run, materials, monkeypatch):
    from bitsback.posterior import fit as training

    calls: list[int] = []
    real = training.fit

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == cycle:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compress(run, materials)
    assert run.has("cycles")


def test_your_own_masks_are_used(copied_run, tmp_path):
    from safetensors.torch import save_file

    weights = dense(copied_run, gather(recipe_of(copied_run))).posterior.marginals()
    own = {
        "1.weight": (torch.arange(weights["1.weight"].mean.numel()) % 3 > 0).float().view_as(weights["1.weight"].mean)
    }
    save_file(own, tmp_path / "own.safetensors")
    materials = with_part(copied_run, compress=Compress(masks=str(tmp_path / "own.safetensors")))
    assert torch.equal(compress(copied_run, materials).masks["1.weight"], own["1.weight"])


def test_a_promise_that_was_asked_for_and_cannot_be_kept_packs_nothing(copied_run):
    copied_run.file("model").unlink()
    impossible = with_part(copied_run, abstain=Abstain(error_rate=1e-4, confidence=0.99))
    with pytest.raises(
        PromiseError, match=r"nothing was packed.* the lowest error rate that can be promised is 0\.\d+$"
    ) as why:
        pack(copied_run, impossible)
    assert not copied_run.has("model")
    lowest = float(str(why.value).rpartition(" ")[2])
    possible = with_part(copied_run, abstain=Abstain(error_rate=lowest, confidence=0.99))
    assert pack(copied_run, possible).decision.abstention is not None
    unasked = with_part(copied_run, abstain=None)
    assert (pack(copied_run, unasked).decision.abstention is None) == bool(pack(copied_run, unasked).decision.reason)
    assert copied_run.has("model")


def test_the_coverage_that_is_told_is_that_of_the_threshold_that_ships(copied_run):
    for error_rate in (0.2, 0.4):
        asked = with_part(copied_run, abstain=Abstain(error_rate=error_rate, confidence=0.8))
        decision = pack(copied_run, asked).decision
        assert decision.abstention is not None
        model = load(copied_run.file("model"))
        prediction = model.predict(asked.data.test.inputs)
        said = [row for row in model.manifest.measurements if row["what"] == "coverage"]
        assert [row["value"] for row in said] == [pytest.approx(1 - prediction.abstain.mean())]
        assert said[0]["of"]["error_rate"] == error_rate
        assert said[0]["of"]["confidence"] == 0.8
        rows, shipped = newest(copied_run.rows()), Variant("compressed", "ensemble")
        reported, strange = (value(rows, what, shipped) for what in ("coverage", "ood_declined"))
        assert reported is not None
        assert reported.value == said[0]["value"]
        assert strange is not None
        assert strange.value == model.predict(asked.data.out_of_distribution).abstain.mean()
        kept, found = promise(rows), decision.abstention
        assert kept is not None
        assert (kept.threshold, kept.error_rate, kept.confidence) == (found.threshold, error_rate, 0.8)
        assert kept.accepted == found.accepted / found.calibration
        assert recipe_of(copied_run).abstain == asked.recipe.abstain


def test_a_run_does_not_change_its_data(copied_run):
    materials = with_part(copied_run)
    data = materials.data
    turned = replace(data, train=replace(data.train, targets=data.train.targets[::-1].copy()))
    before = copied_run.file("journal").read_bytes()
    for stage in (compress, pack, lambda *given: evaluate(*given, Watcher())):
        with pytest.raises(RunError, match=r"fitted to other data .*: the train split differs; name the folder"):
            stage(copied_run, replace(materials, data=turned))
    assert copied_run.file("journal").read_bytes() == before


def test_data_that_moved_are_the_same_data(tmp_path):
    def fitted(place: str):
        data = {"name": "own", "folder": str(tmp_path / place)}
        return fit(tmp_path / "run", parse({**CONTENT, "data": data, "fit": {"epochs": 1}}), Watcher(), command="test")

    images, labels = digits_like(60)
    for place, turned in (("here", labels), ("there", labels), ("else", 2 - labels)):
        write_idx_set(tmp_path / place / "own", train=(images, turned))
    run, _, _ = fitted("here")
    fitted("there")
    with pytest.raises(RunError, match="fitted to other data"):
        fitted("else")
    assert recipe_of(run).data.folder == str(tmp_path / "there")


def test_a_file_of_another_network_is_not_timed(copied_run):
    files(copied_run)
    compress(copied_run, with_part(copied_run, compress=Compress()))
    with pytest.raises(RunError, match="bitsback pack"):
        files(copied_run)
