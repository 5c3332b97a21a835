"""Files: nothing half-written; what is damaged is named, with its place."""

import json
from pathlib import Path

import numpy as np
import pytest

from mtl.errors import UserError
from mtl.record import files


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"new": float("nan")})

    def fail(file: object) -> None:
        raise OSError("disk full")

    with pytest.raises(UserError, match=rf"^{path} cannot be written \(disk full\)"):
        files.write_atomically(path, fail)
    assert path.read_text() == '{\n  "old": 1\n}\n'


def test_lines_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [{"task": "Smiling", "P": 0.1 + 0.2}, {"text": "one\u2028line\n"}]
    for line in lines:
        files.append_line(path, line)
    assert files.read_lines(path) == lines
    with pytest.raises(ValueError, match="JSON"):
        files.append_line(path, {"loss": float("inf")})
    assert files.read_lines(path) == lines


@pytest.mark.parametrize("damage", [b'{"a": 1', b"\xff\xfe", b"", b"\0\0\0"])
def test_damaged_json_is_named(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(damage)
    with pytest.raises(UserError, match=f"^{path} is damaged"):
        files.read_json(path)
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(b'{"step": 1}\n' + (damage or b" ") + b"\n")
    with pytest.raises(UserError, match=f"^line 2 of {log} is damaged"):
        files.read_lines(log)


def test_arrays_come_back_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "examples.npz"
    arrays = {"images": np.arange(3000, dtype=np.uint8), "ids": np.array(["a.jpg"])}
    files.write_arrays(path, arrays)
    read = files.read_arrays(path)
    assert read.keys() == arrays.keys() and all(np.array_equal(read[name], arrays[name]) for name in arrays)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:60] + b"\xff" * 40 + whole[100:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=f"^{path} cannot be read"):
            files.read_arrays(path)
    with pytest.raises(FileNotFoundError):
        files.read_arrays(tmp_path / "none.npz")


def test_as_json_is_what_is_read_back(tmp_path: Path) -> None:
    value = {"taps": ("a", "b"), 1: None}
    files.write_json(tmp_path / "a.json", value)
    assert files.as_json(value) == files.read_json(tmp_path / "a.json") == json.loads('{"taps": ["a", "b"], "1": null}')


def test_what_stands_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    (tmp_path / "config.json.tmp").mkdir()
    for name in ("results.json", "config.json"):
        with pytest.raises(
            UserError, match=rf"^{tmp_path / name} cannot be written \(Is a directory\): move away what"
        ):
            files.write_json(tmp_path / name, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json.tmp", "results.json"]
    with pytest.raises(UserError, match=rf"^{tmp_path}/results.json cannot be written \(Is a directory\)"):
        files.append_line(tmp_path / "results.json", {})


def test_a_field_of_another_kind_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    files.write_json(path, {"config": {"method": 3}})
    for name, words in {"config.method": "is something else", "config.seed": "is missing", "a.b": "is missing"}.items():
        with pytest.raises(UserError, match=rf"^{path} is damaged \({name} {words}.*\): delete it$"):
            files.read_json(path, {name: str}, "delete it")
    with pytest.raises(UserError, match=rf"^{tmp_path}/none.json is missing: put a whole copy"):
        files.read_json(tmp_path / "none.json")
