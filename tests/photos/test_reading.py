"""Which files are photos, and what is said of those that are none."""

import io
import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl.errors import UserError
from mtl.photos.reading import MAX_BYTES, find_photos, read_photo
from tests.data.celeba_files import make_jpeg


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(make_jpeg(0))


def names(found: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in found]


def make_bomb(side: int) -> bytes:
    """A PNG of a few bytes that says that it has side x side pixels."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = part(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(b"")) + part(b"IEND", b"")


def test_a_folder_gives_its_images_and_those_of_folders_in_it_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a.png", "in/c.webp", "notes.txt", ".hidden.jpg", ".thumbnails/d.jpg", "in/e.heic")
    assert names(find_photos([tmp_path]), tmp_path) == ["a.png", "b.JPG", "in/c.webp", "in/e.heic"]


def test_a_link_that_leads_in_a_circle_ends(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.jpg")
    (tmp_path / "in" / "again").symlink_to(tmp_path)
    assert names(find_photos([str(tmp_path)]), tmp_path) == ["in/a.jpg"]


def test_a_pattern_for_all_folders_does_not_follow_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two links in a circle are 2^40 paths."""
    touch(tmp_path, "in/a.jpg", "b.jpg", ".hidden/c.jpg", "in/.d.jpg")
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(tmp_path)
    assert names(find_photos([tmp_path / "**/*.jpg"]), tmp_path) == ["b.jpg", "in/a.jpg"]
    assert names(find_photos([tmp_path / "i**n/*.jpg"]), tmp_path) == ["in/a.jpg"]
    monkeypatch.chdir(tmp_path)
    assert find_photos(["**/a.jpg"]) == [Path("in/a.jpg")]


def test_files_and_patterns_are_taken_as_they_are_each_once(tmp_path: Path) -> None:
    touch(tmp_path, "b", "a.jpg", "c[1].jpg", "c1.jpg", "folder.jpg/d.jpg")
    places = [tmp_path / "b", tmp_path / "*.jpg", tmp_path / "a.jpg", tmp_path / "c[1].jpg"]
    assert names(find_photos(places), tmp_path) == ["b", "a.jpg", "c1.jpg", "c[1].jpg"]
    assert names(find_photos([tmp_path / "**/d.jpg"]), tmp_path) == ["folder.jpg/d.jpg"]


def test_where_there_is_no_photo_is_said(tmp_path: Path) -> None:
    touch(tmp_path, "in/notes.txt")
    with pytest.raises(UserError, match=r"in holds no photos: no name in it ends in \.jpg, "):
        find_photos([tmp_path / "in"])
    for gone in ("gone.jpg", "gone/*.jpg"):
        with pytest.raises(UserError, match="does not exist: give photos, folders of them"):
            find_photos([tmp_path / gone])
    with pytest.raises(UserError, match=r"\* matches folders alone: give photos, or one of those folders"):
        find_photos([tmp_path / "*"])


def test_a_photo_is_upright_and_rgb(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    path.write_bytes(make_jpeg(0, 20, 30, orientation=6))
    photo_HWC = read_photo(path)
    assert photo_HWC.shape == (30, 20, 3) and photo_HWC.dtype == np.uint8 and photo_HWC.flags.c_contiguous
    assert photo_HWC[0, 0, 1] > photo_HWC[0, -1, 1] + 100  # green rose from top to bottom; the top is now at the right


@pytest.mark.parametrize(
    ("mode", "format"), [("RGBA", "PNG"), ("RGBA", "WEBP"), ("CMYK", "JPEG"), ("P", "PNG"), ("L", "JPEG"), ("1", "PNG")]
)
def test_every_mode_becomes_rgb(mode: str, format: str, tmp_path: Path) -> None:
    Image.new("RGB", (9, 7), "white").convert(mode).save(tmp_path / "photo", format)
    photo_HWC = read_photo(tmp_path / "photo")
    assert photo_HWC.shape == (7, 9, 3) and photo_HWC.min() >= 254


def test_16_bits_become_8(tmp_path: Path) -> None:
    Image.fromarray(np.full((5, 4), 0x80FF, dtype=np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "deep.png"), np.full((5, 4, 3), 0x80, dtype=np.uint8))


WHOLE = io.BytesIO()
Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(WHOLE, "JPEG")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b"Dear diary\n", "it is none of JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "it is none of JPEG, PNG"),
        (WHOLE.getvalue()[:-500], "image file is truncated"),
        (make_bomb(30_000), "Image size \\(900000000 pixels\\) exceeds limit"),
    ],
)
def test_what_is_no_photo_is_named_with_the_reason(data: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(UserError, match=f"photo.jpg cannot be read as a photo: {why}[^\n]*\\.$"):
        read_photo(path)


def test_nothing_waits_for_a_pipe_or_reads_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    start = time.monotonic()
    for path in (tmp_path / "pipe.jpg", Path("/dev/zero"), tmp_path):
        with pytest.raises(UserError, match="cannot be read as a photo: it is no regular file"):
            read_photo(path)
    assert time.monotonic() - start < 60, "on a busy machine"


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "film.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 2**20)
    with pytest.raises(UserError, match="it has 513 MiB, and at most 512 are read"):
        read_photo(tmp_path / "film.jpg")


def test_what_has_gone_is_said(tmp_path: Path) -> None:
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone")
    assert find_photos([tmp_path]) == [tmp_path / "link.jpg"]
    with pytest.raises(UserError, match=r"link\.jpg cannot be read: No such file or directory"):
        read_photo(tmp_path / "link.jpg")
