"""What is read executes no code, and what is handed on holds no image and no label row. Read from the source."""

import ast
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtl.report.bundle import bundle
from tests.report.synthetic import write_study

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for name in ("mtl", "benchmarks", "configs", "examples") for path in (ROOT / name).rglob("*.py"))
LOADERS = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
EXECUTING = ("pickle.", "cPickle", "dill", "cloudpickle", "joblib.load", "shelve", "marshal.", "yaml.load", "jit.load")
# Weights in an installed package, which pip put there with the package's code and which nobody names on a command line.
INSTALLED = {("mtl/photos/networks.py", "joblib.load")}
LABEL_ROW = re.compile(r"\b\d{6}\.(?:jpg|png)\b[^\n]{0,4}(?:[\s,]+-?1\b){3}")
EMBEDDED = re.compile(r"data:image/\w+;base64,[A-Za-z0-9+/]{100}|<image\b[^>]*href")
IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"GIF8")


def calls(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Each call in a file: what is called, and its named arguments that are constants."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            constants = {each.arg: each.value.value for each in node.keywords if isinstance(each.value, ast.Constant)}
            yield ast.unparse(node.func), {str(name): value for name, value in constants.items()}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_that_is_read_executes_code(path: Path) -> None:
    for name, arguments in calls(path):
        if name in LOADERS:
            argument, value = LOADERS[name]
            assert arguments.get(argument) is value, f"{name} without {argument}={value}"
        if (path.relative_to(ROOT).as_posix(), name) not in INSTALLED:
            assert not any(word in name for word in EXECUTING), name
        assert name not in ("eval", "exec"), name
        assert not name.endswith((".extractall", ".extract", "unpack_archive")), f"{name} writes where an archive says"


def test_the_test_sees_loaders() -> None:
    found = [name for path in SOURCES for name, _ in calls(path) if name in LOADERS]
    assert {*found} >= {"torch.load", "np.load"}


def committed(*places: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *places], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.splitlines() if (path := ROOT / name).is_file()]


def refuse_data(name: str, content: bytes) -> None:
    assert not content.startswith(IMAGES), f"{name} is an image"
    text = content.decode(errors="replace")
    assert not EMBEDDED.search(text), f"{name} has an image in it"
    assert not LABEL_ROW.search(text), f"{name} has a label row"


def test_committed_artifacts_hold_no_image_and_no_label_row() -> None:
    for path in committed("artifacts"):
        refuse_data(str(path), path.read_bytes())


def test_the_bundle_holds_no_image_and_no_label_row(tmp_path: Path) -> None:
    """But for the report and the video, which show a few faces to those who have the data."""
    workdir = write_study(tmp_path / "study", ("joint", "dst"), num_seeds=1, num_epochs=1)
    for name in ("report.pdf", "demo.mp4"):
        (workdir / name).write_bytes(name.encode())
    bundle(workdir, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = [name for name in archive.namelist() if not name.endswith((".pdf", ".mp4"))]
        assert not [name for name in names if name.endswith((".npz", ".npy", ".pt", ".jpg", ".png"))]
        for name in names:
            if not name.startswith("code/tests/"):  # which make such rows up
                refuse_data(name, archive.read(name))


@pytest.mark.parametrize("row", ["000001.jpg -1  1 -1 -1", "000001.jpg,1,-1,1", json.dumps({"000001.jpg": [1, -1, 1]})])
def test_label_rows_are_seen(row: str) -> None:
    if row.startswith("{"):
        row = row.replace("[", " ").replace('"', "").replace(":", "")
    assert LABEL_ROW.search(row)
