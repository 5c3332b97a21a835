"""The safetensors format: bytes worked by hand, the package that defines it, and files that are wrong on purpose."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtl.errors import UserError
from mtl.trained.tensors import MAX_HEADER, read_tensors, write_tensors

ONE = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}


def some_tensors() -> dict[str, Tensor]:
    return {
        "flag": torch.tensor([True, False, True]),
        "trunk.conv.weight": torch.arange(16.0).view(2, 2, 2, 2).contiguous(memory_format=torch.channels_last),
        "count": torch.tensor(7),
        "byte": torch.tensor([[255], [0]], dtype=torch.uint8),
        "half": torch.tensor([1.5, -0.0], dtype=torch.float16),
        "brain": torch.tensor([[3.25, torch.inf]], dtype=torch.bfloat16),
        "empty": torch.zeros(0, 3),
        "ä": torch.tensor([0.5]),
    }


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)


def write(path: Path, header: Any, data: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_bytes_worked_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"b": torch.tensor([3], dtype=torch.uint8), "a": torch.tensor([1.0, -2.0])})
    told = b"a torch.float32 (2,)\n" + bytes.fromhex("0000803f000000c0") + b"b torch.uint8 (1,)\n" + b"\3"
    digest = hashlib.sha256(told).hexdigest()[:16].encode()
    header = (
        b'{"__metadata__":{"format":"pt","digest":"'
        + digest
        + b'"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
        b'"b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}}'
    )
    padding = b" " * (-len(header) % 8)
    numbers = bytes.fromhex("0000803f000000c003")
    assert path.read_bytes() == bytes([len(header + padding), 0, 0, 0, 0, 0, 0, 0]) + header + padding + numbers
    assert not path.with_name("a.safetensors.tmp").exists()


def test_a_number_that_was_changed_is_noticed(tmp_path: Path) -> None:
    """In a file of ours; one of other programs has no digest."""
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.ones(2)})
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=r"a.safetensors is damaged \(its numbers are not those that were written\)"):
        read_tensors(path)


def test_what_is_written_is_read_and_written_with_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    write_tensors(first, some_tensors())
    found = read_tensors(first)
    assert same(found, some_tensors())
    write_tensors(second, dict(reversed(found.items())))
    assert first.read_bytes() == second.read_bytes()
    write_tensors(second, {})
    assert read_tensors(second) == {}


def test_as_the_package_has_it(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.torch", reason="the package safetensors is not installed")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_tensors(ours, some_tensors())
    assert same(package.load_file(ours), some_tensors())
    package.save_file({name: value.contiguous() for name, value in some_tensors().items()}, theirs)
    assert same(read_tensors(theirs), some_tensors())


def entry(**changed: Any) -> dict[str, Any]:
    return {"a": ONE["a"] | changed}


@pytest.mark.parametrize(
    ("header", "data", "words"),
    [
        (b"\xff\xfe{\x00}\x00", b"", "can't decode byte 0xff"),
        (b"[]", b"", "its JSON is no object"),
        (b"<html>", b"", "Expecting value"),
        (b'{"a": NaN}', b"", "NaN is no JSON"),
        (b"[" * 100_000, b"", "nested without end"),
        (b'{"a": 1, "a": 2}', b"", "'a' stands there twice"),
        ({"a": 1}, b"", "'a' has not dtype, shape and data_offsets"),
        (entry(more=1), bytes(4), "these three"),
        (entry(dtype="F8_E4M3"), bytes(4), "the dtype of 'a' is none of F32, F16, BF16, I64, U8, BOOL"),
        (entry(dtype=["F32"]), bytes(4), "the dtype of 'a' is none of"),
        (entry(shape=[-1]), bytes(4), "no whole numbers"),
        (entry(shape=[1.0]), bytes(4), "no whole numbers"),
        (entry(shape=[True]), bytes(4), "no whole numbers"),
        (entry(shape="1"), bytes(4), "no whole numbers"),
        (entry(shape=[1] * 65), bytes(4), "or too many"),
        (entry(data_offsets=[0, 4, 4]), bytes(4), "or too many"),
        (entry(data_offsets=[-4, 0]), bytes(4), "no whole numbers"),
        (entry(shape=[2]), bytes(4), "bytes of 'a' are not as many"),
        (entry(data_offsets=[4, 0]), bytes(4), "bytes of 'a' are not as many"),
        (entry(shape=[2**62], data_offsets=[0, 2**64]), bytes(4), "'a' is larger than the file"),
        (entry(shape=[0, 2**62, 2**62], data_offsets=[0, 0]), b"", "'a' is larger than the file"),
        (entry(data_offsets=[4, 8]), bytes(8), "'a' does not begin where the tensor before it ends"),
        (ONE | {"b": ONE["a"]}, bytes(8), "'b' does not begin where the tensor before it ends"),
        (ONE | {"b": ONE["a"] | {"data_offsets": [8, 12]}}, bytes(12), "'b' does not begin"),
        (ONE, bytes(3), "its tensors end before or behind the file"),
        (ONE, bytes(5), "its tensors end before or behind the file"),
        (entry(dtype="BOOL", shape=[4]), b"\0\1\2\1", "a truth value is neither 0 nor 1"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, header: Any, data: bytes, words: str) -> None:
    path = write(tmp_path / "bad.safetensors", header, data)
    with pytest.raises(UserError, match=words) as caught:
        read_tensors(path)
    assert str(caught.value).startswith(f"{path} is damaged (")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"PK\3\4", bytes([9]) + bytes(15), b"\xff" * 16, b"\xff" * 8])
def test_a_length_beyond_the_file(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "short").write_bytes(text)
    with pytest.raises(UserError, match=f"^{tmp_path}/short is damaged \\(it was cut short\\)"):
        read_tensors(tmp_path / "short")


def test_a_header_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.write((MAX_HEADER + 1).to_bytes(8, "little"))
        file.truncate(MAX_HEADER + 100)  # a hole: it takes no space
    with pytest.raises(UserError, match="its header of 100000001 bytes is longer than the 100000000"):
        read_tensors(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file")):
        with pytest.raises(UserError, match=f"^{path} cannot be read \\({words}"):
            read_tensors(path)


@given(at=st.integers(0, 10**4), byte=st.integers(0, 255), cut=st.integers(0, 3))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_gives_tensors_or_a_sentence(tmp_path: Path, at: int, byte: int, cut: int) -> None:
    path = tmp_path / "any"
    write_tensors(path, some_tensors())
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    path.write_bytes(content[: len(content) - cut])
    try:
        assert len(read_tensors(path)) <= len(some_tensors())
    except UserError as error:
        assert "\n" not in str(error)
