import pytest

from bench.tables import TABLES, main, markdown
from bench.weight_pruning_tables import FIGURES, accuracy, uncertainty, worth
from bitsback.errors import DataError
from bitsback.measure.journal import Journal, Measurement
from examples.weight_pruning.methods import METHODS


def ratio(value, **more):
    return Measurement("mean_field_vs_sgd", value, "x", of={"threads": 1}, spread=(1.5, 2.0), repeats=5, **more)


def pruned(what, value, method="sgd", sparsity=0.0, seed=0, **of):
    of = {"dataset": "mnist", "method": method, "sparsity": sparsity, "saliency": "magnitude", "epochs": 50, **of}
    return Measurement(what, value, "share", of=of, seed=seed, commit="0123456789abcdef", device="a board")


def lines(markdown_table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown_table.splitlines()]


@pytest.fixture
def root(tmp_path):
    Journal(tmp_path / "results" / "training_cost.jsonl").append([ratio(3.0), ratio(1.75, commit="abcdef0123456")])
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# x\n<!-- table: training_cost -->\n<!-- end -->\n")
    (tmp_path / "docs" / "cost.md").write_text("<!-- table: training_cost --><!-- end -->")
    return tmp_path


def test_check_fails_until_written_and_again_when_a_row_or_a_digit_changes(root, capsys):
    assert main(["--check"], root) == 1
    assert "docs/cost.md" in capsys.readouterr().out
    assert main(["--write"], root) == 0
    assert main(["--check"], root) == 0
    assert "2 tables" in capsys.readouterr().out
    text = (root / "README.md").read_text()
    assert "1.75×" in text
    assert "3.00×" not in text
    (root / "README.md").write_text(text.replace("1.75", "1.74"))
    assert main(["--check"], root) == 1
    (root / "README.md").write_text(text)
    Journal(root / "results" / "training_cost.jsonl").append([ratio(1.9)])
    assert main(["--check"], root) == 1


@pytest.mark.parametrize("name", ["no_such_table", "cold_start"])
def test_a_table_that_cannot_be_made_is_one_line_and_exit_code_2(root, capsys, name):
    (root / "README.md").write_text(f"<!-- table: {name} --><!-- end -->")
    assert main(["--write"], root) == 2
    said = capsys.readouterr().err
    assert name in said
    assert said.count("\n") == 1


def test_the_origin_of_the_rows_is_said(root):
    said = markdown("training_cost", root / "results").splitlines()[-1]
    assert "`abcdef0123`" in said
    Journal(root / "results" / "training_cost.jsonl").append([
        ratio(1.9, commit="9" * 40, dirty=True, device="a board")
    ])
    said = markdown("training_cost", root / "results").splitlines()[-1]
    assert "`9999999999` with uncommitted changes" in said
    assert "a board" in said


def test_accuracy_is_a_line_a_method_and_a_column_a_sparsity_over_seeds():
    rows = [pruned("accuracy", 0.97, sparsity=0.9, seed=1), pruned("accuracy", 0.5, sparsity=0.0)]
    rows += [pruned("accuracy", 0.99, sparsity=0.9, seed=2), pruned("accuracy", 0.98)]
    rows += [pruned("accuracy", 0.983, "bayes_by_backprop", 0.9, saliency="snr")]
    rows += [pruned("predictive_accuracy", 0.985, "bayes_by_backprop", 0.9, saliency="snr")]
    assert lines(accuracy(rows)) == [
        ["data", "method", "pruned by", "epochs", "0%", "90%"],
        ["---", "---:", "---:", "---:", "---:", "---:"],
        ["MNIST", "Bayes by Backprop", "snr", "50", "", "98.30"],
        ["MNIST", "Bayes by Backprop, predictive", "snr", "50", "", "98.50"],
        ["MNIST", "SGD", "magnitude", "50", "98.00", "98.00 ± 1.00"],
    ]


def test_uncertainty_stands_beside_accuracy():
    rows = [pruned("accuracy", 0.98), pruned("nll", 0.0612), pruned("ece", 0.0123), pruned("ood_auroc_total", None)]
    assert lines(uncertainty(rows))[2] == ["MNIST", "SGD", "magnitude", "50", "0%", "98.00", "0.0612", "1.23", "", ""]


def test_a_line_without_a_figure_of_uncertainty_is_left_out():
    rows = [pruned("accuracy", 0.98), pruned("ece", 0.0123), pruned("accuracy", 0.97, sparsity=0.9)]
    rows += [pruned("accuracy", 0.98, saliency="snr"), pruned("predictive_accuracy", 0.98, saliency="snr")]
    assert [line[2:5] for line in lines(uncertainty(rows))[2:]] == [["magnitude", "50", "0%"]]


def test_the_pruned_posterior_stands_beside_the_best_sgd_and_the_better_one_is_bold():
    bayes = {"method": "bayes_by_backprop", "sparsity": 0.9, "saliency": "snr"}
    rows = [pruned("nll", 0.05, **bayes), pruned("nll", 0.07, **bayes, seed=1), pruned("ece", 0.02, **bayes)]
    rows += [pruned("nll", 0.08), pruned("nll", 0.065, "sgd_cosine"), pruned("ece", 0.01)]
    assert lines(worth(rows))[2:] == [
        ["MNIST", "NLL, nats", "**0.0600 ± 0.0100**", "0.0650", METHODS["sgd_cosine"].title],
        ["MNIST", "ECE, %", "2.00", "**1.00**", METHODS["sgd"].title],
    ]


def test_a_row_that_does_not_say_what_it_is_of_is_refused():
    with pytest.raises(DataError, match="epochs"):
        accuracy([Measurement("accuracy", 0.5, "share", of={"dataset": "mnist", "method": "sgd"})])


def test_every_table_is_of_a_file_of_rows():
    assert all(each.rows.endswith(".jsonl") for each in TABLES.values())


def test_a_table_tells_the_origin_of_its_own_rows_where_a_file_has_those_of_another_too(tmp_path):
    of = {"posterior": "mlp100-mnist", "way": "one_pass", "inputs": 10}
    good = [
        Measurement(what, 0.5, "1", {**of}, commit="a" * 10, seed=0)
        for what in ("accuracy", *(what for what in FIGURES if what != "predictive_accuracy"))
    ]
    side = {"posterior": "mlp100-mnist", "side": "one_pass", "batch": 1, "caches": "own"}
    fast = Measurement("latency", 1e-5, "s", side, commit="b" * 10, seed=0)
    Journal(tmp_path / "one_pass.jsonl").append([*good, fast])
    for name, own, other in (("one_pass_quality", "a", "b"), ("one_pass_latency", "b", "a")):
        said = markdown(name, tmp_path).splitlines()[-1]
        assert f"`{own * 10}`" in said
        assert f"`{other * 10}`" not in said
