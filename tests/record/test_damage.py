"""Files of ours that are damaged, lost or moved: one sentence that names the file, under the study and its report."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from mtl.errors import UserError
from mtl.record.paths import CONFIG, DST, METRICS, RESULTS
from mtl.record.reading import read_study
from mtl.statistics import write_results
from tests.tiny import study, tiny_config


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def cut_between_lines(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def with_content(content: bytes) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(content), None)[1]


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut": cut,
    "empty": with_content(b""),
    "garbage": with_content(b"\xff\0garbage\n"),
    "null": with_content(b"null\n"),
    "a list": with_content(b"[1]\n"),
    "another object": with_content(b"{}\n"),
    "nested": with_content(b"[" * 100_000),
    "a folder": make_folder,
}
OF_RUN = (CONFIG, RESULTS, METRICS, DST)


@pytest.fixture(scope="module")
def finished(celeba_files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ConfigDict, Path]:
    """A small study, and its folder, which no test changes."""
    config = tiny_config(celeba_files, celeba_files.parent / "cache")
    config.train.epochs, config.study.methods, config.study.seeds = 2, ("joint", "dst"), (0,)
    workdir = tmp_path_factory.mktemp("finished") / "out"
    study(config, workdir)
    return config, workdir


def report(workdir: Path) -> None:
    write_results(workdir, with_comparisons=False)
    read_study(workdir)


def copy(workdir: Path, folder: Path) -> Path:
    return Path(shutil.copytree(workdir, folder / "out"))


@pytest.mark.parametrize("name", OF_RUN)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_of_a_run(finished: tuple[ConfigDict, Path], tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    config, workdir = finished[0], copy(finished[1], tmp_path)
    path = workdir / "dst" / "seed_0" / name
    damage(path)
    for job in (lambda: study(config, workdir), lambda: report(workdir)):
        with pytest.raises(
            UserError, match=rf"{path}( is damaged \(| cannot be read \(| has lines of \d of 2)"
        ) as caught:
            job()
        assert str(caught.value).count("\n") == 0 and "delete" in str(caught.value)


@pytest.mark.parametrize("name", [METRICS, DST])
@pytest.mark.parametrize("damage", [cut_between_lines, Path.unlink])
def test_logs_that_lack_an_epoch(
    finished: tuple[ConfigDict, Path], tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    """A dst.jsonl that is gone is missed where a gate was ever shut."""
    workdir = copy(finished[1], tmp_path)
    path = workdir / "dst" / "seed_0" / name
    metrics = path.with_name(METRICS)
    metrics.write_text(metrics.read_text().replace('"gates": {"a": 1.0', '"gates": {"a": 0.0'))
    damage(path)
    with pytest.raises(UserError, match=rf"^{path} (has lines of \d of 2 epochs|is missing)"):
        report(workdir)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_of_a_study(finished: tuple[ConfigDict, Path], tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Those of the study itself are written by its command; the report wants the one, and writes the other."""
    config, workdir = finished[0], copy(finished[1], tmp_path)
    damage(workdir / CONFIG)
    with pytest.raises(UserError, match=rf"^{workdir / CONFIG} (is damaged|cannot be read) .*: delete it, and give"):
        report(workdir)
    if damage is make_folder:
        (workdir / CONFIG).rmdir()
    else:
        damage(workdir / RESULTS)
    study(config, workdir)
    report(workdir)


def test_results_that_were_deleted_are_made_again(finished: tuple[ConfigDict, Path], tmp_path: Path) -> None:
    config, workdir = finished[0], copy(finished[1], tmp_path)
    path = workdir / "dst" / "seed_0" / RESULTS
    before = path.read_text()
    path.unlink()
    study(config, workdir)
    assert path.read_text() == before


def test_what_only_looks_like_a_run(finished: tuple[ConfigDict, Path], tmp_path: Path) -> None:
    """A file or folder seed_x is nothing; a copy of a run elsewhere in the study is said."""
    config, workdir = finished[0], copy(finished[1], tmp_path)
    (workdir / "joint" / "seed_x").touch()
    shutil.copytree(workdir / "joint" / "seed_0", workdir / "joint" / "seed_0 (copy)")
    study(config, workdir)
    report(workdir)
    shutil.copytree(workdir / "joint" / "seed_0", workdir / "joint" / "seed_1")
    with pytest.raises(UserError, match=r"joint/seed_1/results.json is that of joint, seed 0, whose place is joint/se"):
        report(workdir)
    shutil.rmtree(workdir / "joint" / "seed_1")
    path = workdir / "dst" / "seed_0" / RESULTS
    path.write_text(path.read_text().replace('"method": "dst"', '"method": "../../esc"'))
    with pytest.raises(UserError, match=rf"^{path} is that of ../../esc, seed 0"):
        report(workdir)
