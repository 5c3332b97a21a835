"""The bundle: report, video, code, configurations and README in one zip, and no predictions."""

import zipfile
from pathlib import Path

import pytest

from mtl.errors import UserError
from mtl.report.bundle import bundle
from tests.report.synthetic import write_study

ROOT = Path(__file__).parents[2]


def test_holds_what_one_hands_on(tmp_path: Path) -> None:
    workdir = write_study(tmp_path / "study", ("joint", "dst"), num_seeds=1, num_epochs=1)
    with pytest.raises(UserError, match=r"has no report.pdf: run the jobs study and then report"):
        bundle(workdir, tmp_path / "all.zip")
    for name in ("report.pdf", "demo.mp4"):
        (workdir / name).write_bytes(name.encode())
    assert "all.zip" in bundle(workdir, tmp_path / "new" / "all.zip")
    with zipfile.ZipFile(tmp_path / "new" / "all.zip") as archive:
        names = set(archive.namelist())
        assert archive.read("study/demo.mp4") == b"demo.mp4"
        assert archive.read("code/mtl/dst/metrics.py") == (ROOT / "mtl" / "dst" / "metrics.py").read_bytes()
    assert {"README.md", "study/report.pdf", "study/config.json", "study/results.json", "code/launch.py"} <= names
    assert {"study/joint/seed_0/config.json", "study/dst/seed_0/dst.jsonl", "code/configs/default.py"} <= names
    assert not any(name.endswith(".npz") for name in names), "predictions hold the labels of the data"


def test_replaces_nothing_but_a_zip(tmp_path: Path) -> None:
    workdir = write_study(tmp_path / "study", ("joint",), num_seeds=1, num_epochs=1)
    for name in ("report.pdf", "demo.mp4"):
        (workdir / name).write_bytes(name.encode())
    for path in (workdir / "report.pdf", workdir):
        with pytest.raises(UserError, match="is there and is no zip file: choose another name"):
            bundle(workdir, path)
    assert (workdir / "report.pdf").read_bytes() == b"report.pdf"
