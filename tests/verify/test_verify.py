"""A study is recomputed from its logits, logs and labels; a single number that is changed is found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtl.cli import main
from mtl.errors import UserError
from mtl.record.files import read_arrays, write_arrays
from mtl.statistics import write_results
from mtl.statistics.tables import tables
from mtl.verify.job import verify
from tests.tiny import study, tiny_config, write_celeba

pytestmark = pytest.mark.filterwarnings("ignore:the load_module")  # config_flags opens its file with it
OF_DST = ("dst", "permuted_drop", "accuracy", "overall")


def named(root: Path) -> list[str]:
    return ["--config.data.name=celeba", f"--config.data.root={root}"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small study in folds, with a control, and its data."""
    root = write_celeba(tmp_path_factory.mktemp("data"))
    config = tiny_config(root, tmp_path_factory.mktemp("cache"))
    config.train.epochs = 2
    config.dst.gates_seed = 0
    config.dst.weights.update(
        {"incompleteness": 0.5, "stagnancy": 0.5, "depth": 0.0, "count": 0.0, "regularization": 0.0}
    )
    config.study.methods, config.study.folds = ("permuted_drop", "dst"), 3
    config.study.comparisons = ("dst:permuted_drop",)
    workdir = tmp_path_factory.mktemp("study")
    study(config, workdir)
    results = write_results(workdir, with_comparisons=True)
    (workdir / "tables.md").write_text(tables(results) + "\n")
    return workdir, root


def test_a_study_in_folds_tests_each_image_once(made: tuple[Path, Path]) -> None:
    results = json.loads((made[0] / "results.json").read_text())
    assert (results["num_folds"], results["seeds"]["dst"]) == (3, [0, 1, 2])
    ids = np.concatenate([read_arrays(made[0] / f"dst/seed_{fold}/logits.npz")["ids"] for fold in range(3)])
    assert len(ids) == len(np.unique(ids)) == 60
    assert {method: list(of) for method, of in results["comparisons"].items()}["dst"] == ["permuted_drop"]
    assert results["controls"] == {"permuted_drop": "dst"}
    shut, of_control = (results["dropping"][method]["overall"]["num_shut"] for method in ("dst", "permuted_drop"))
    assert shut == of_control > 0


def test_what_is_as_it_was_agrees(made: tuple[Path, Path], tmp_path: Path) -> None:
    """Without predictions.npz, which hold the labels and are not published; and with the data elsewhere."""
    workdir, root = tmp_path / "study", tmp_path / "data"
    shutil.copytree(made[0], workdir, ignore=shutil.ignore_patterns("predictions.npz", "checkpoint", "model"))
    shutil.copytree(made[1], root)
    verdict = verify(workdir, str(root))
    assert verdict.wrong == [] and verdict.num_compared > 1000
    assert main(["mtl", "--job=verify", f"--workdir={workdir}", *named(root)]) == 0


def edit(old: str, new: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def more(*keys: str | int) -> Callable[[Path], None]:
    """The number under these keys, a millionth larger; of a file of lines, the first key is a line."""

    def change(path: Path) -> None:
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        values = [json.loads(line) for line in lines]
        place = values if path.suffix == ".jsonl" else values[0]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] += 1e-6
        path.write_text("".join(json.dumps(value) + "\n" for value in values))

    return change


def flip_a_logit(path: Path) -> None:
    arrays = read_arrays(path)
    arrays["logits"][3, 1] *= -1
    write_arrays(path, arrays)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("results.json", more("methods", "dst", "tasks", "b", "f1", "mean"), "methods/dst/tasks/b/f1/mean"),
        ("results.json", more("comparisons", *OF_DST, "standard_error"), "accuracy/overall/standard_error"),
        ("results.json", more("dropping", "dst", "overall", "num_shut"), "results.json/dropping/dst/overall/num_shut"),
        ("tables.md", edit("| overall |", "| overal1 |"), "tables.md"),
        ("dst/seed_1/results.json", more("test", "tasks", "b", "f1"), "seed_1/results.json/test/tasks/b/f1"),
        ("dst/seed_1/results.json", more("valid", "exact_match"), "seed_1/results.json/valid/exact_match"),
        ("dst/seed_1/dst.jsonl", more(1, "P_u", "a"), "dst/seed_1/dst.jsonl/1/P_u/a"),
        ("permuted_drop/seed_2/dst.jsonl", more(0, "G", "a"), "dst.jsonl/0/G/a"),
        ("dst/seed_0/logits.npz", flip_a_logit, "dst/seed_0/results.json/test/"),
    ],
)  # fmt: skip
def test_a_single_number_that_is_changed_is_found(
    made: tuple[Path, Path], tmp_path: Path, file: str, change: Callable[[Path], None], said: str
) -> None:
    workdir = tmp_path / "study"
    shutil.copytree(made[0], workdir, ignore=shutil.ignore_patterns("checkpoint", "model"))
    change(workdir / file)
    wrong = verify(workdir, "").wrong
    assert any(said in where for where in wrong), wrong


def test_other_labels_are_found(made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "data"
    shutil.copytree(made[1], root)
    lists = root / "list_attr_celeba.txt"
    lists.write_text(lists.read_text().replace(".jpg 1 ", ".jpg -1 ", 1))
    with pytest.raises(SystemExit) as stopped:
        main(["mtl", "--job=verify", f"--workdir={made[0]}", *named(root)])
    assert stopped.value.code == 1
    assert "are others here" in capsys.readouterr().out


def test_what_is_missing_is_said(made: tuple[Path, Path], tmp_path: Path) -> None:
    workdir = tmp_path / "study"
    shutil.copytree(made[0], workdir, ignore=shutil.ignore_patterns("checkpoint", "model"))
    (workdir / "dst/seed_0/logits.npz").unlink()
    with pytest.raises(UserError, match=r"logits\.npz is missing"):
        verify(workdir, "")
    assert main(["mtl", "--job=verify", f"--workdir={tmp_path / 'nowhere'}"]) == 2
