import errno
import io
import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mtl.data import decoding
from mtl.data import pack as pack_module
from mtl.data.celeba import read_table
from mtl.data.image_files import ImageSource
from mtl.data.pack import Pack, digest_pixels, open_pack
from mtl.data.table import SPLITS, Table, select_attributes, take_rows
from mtl.errors import UserError
from tests.data.celeba_files import NAMES, make_ids, make_jpeg, make_values, write_images, write_txt, write_zip

NUM, SIZE = 7, 16


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_txt(tmp_path, make_values(NUM))
    write_images(tmp_path / "img_align_celeba", NUM)
    return tmp_path


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CHUNK", 3)
    monkeypatch.setattr(pack_module, "ROWS", 3)


def open_small(root: Path, image_size: int = SIZE, crop: str = "full", on_bad_image: str = "fail") -> Pack:
    return open_pack(read_table(root), image_size, crop, root / "cache", on_bad_image)


def no_decoding(*_: object) -> None:
    raise AssertionError("decoded again")


def decode_with_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def packs_in(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.suffix != ".lock"] if cache.exists() else []


def test_holds_the_pixels_in_the_tables_order(root: Path) -> None:
    pack = open_small(root)
    assert pack.images_NCHW.shape == (NUM, 3, SIZE, SIZE)
    assert pack.images_NCHW.dtype == np.uint8
    for row in range(NUM):
        np.testing.assert_array_equal(pack.images_NCHW[row], decode_with_pillow(make_jpeg(row)))
    assert pack.table.ids.tolist() == make_ids(NUM)
    assert pack.skipped == ()


def test_is_mapped_and_read_only(root: Path) -> None:
    pack = open_small(root)
    assert isinstance(pack.images_NCHW, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        pack.images_NCHW[0] = 0


def test_grey_images_become_coloured_ones(root: Path) -> None:
    (root / "img_align_celeba/000002.jpg").write_bytes(grey := make_jpeg(1, mode="L"))
    image = open_small(root).images_NCHW[1]
    np.testing.assert_array_equal(image, decode_with_pillow(grey))
    assert (image[0] == image[1]).all()


def test_square_crop_takes_the_centre_and_full_squeezes(root: Path) -> None:
    sizes = {"000001.jpg": (24, 16), "000002.jpg": (16, 25), "000003.jpg": (16, 16)}  # height, width
    for row, (name, (height, width)) in enumerate(sizes.items()):
        (root / "img_align_celeba" / name).write_bytes(make_jpeg(row, height, width))
    square, full = open_small(root, crop="square").images_NCHW, open_small(root, crop="full").images_NCHW
    np.testing.assert_array_equal(square[0], decode_with_pillow(make_jpeg(0, 24, 16))[:, 4:20])
    np.testing.assert_array_equal(square[1], decode_with_pillow(make_jpeg(1, 16, 25))[:, :, 4:20])
    np.testing.assert_array_equal(square[2], full[2])
    # The red of make_jpeg rises from left to right: all of it when squeezed, the middle of it when cropped.
    assert np.ptp(full[1, 0].astype(int)) > np.ptp(square[1, 0].astype(int)) + 20


def test_resizes_like_an_antialiased_bilinear_filter(root: Path) -> None:
    (root / "img_align_celeba/000001.jpg").write_bytes(jpeg := make_jpeg(0, 40, 32))
    expected = np.asarray(Image.open(io.BytesIO(jpeg)).resize((8, 8), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    image = open_small(root, image_size=8).images_NCHW[0]
    assert np.abs(image.astype(int) - expected).max() <= 1


def test_a_second_run_decodes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_small(root)
    monkeypatch.setattr(decoding, "_decode", no_decoding)
    second = open_small(root)
    np.testing.assert_array_equal(first.images_NCHW, second.images_NCHW)
    other = open_pack(select_attributes(read_table(root), ("Male",)), SIZE, "full", root / "cache")
    assert other.table.attributes == ("Male",)
    np.testing.assert_array_equal(first.images_NCHW, other.images_NCHW)


def test_whatever_changes_the_pixels_makes_another_pack(root: Path) -> None:
    table = read_table(root)
    open_small(root)
    open_small(root, image_size=8)
    open_small(root, crop="square")
    subset = open_pack(take_rows(table, np.array([5, 2])), SIZE, "full", root / "cache")
    np.testing.assert_array_equal(subset.images_NCHW[1], decode_with_pillow(make_jpeg(2)))
    assert len(packs_in(root / "cache")) == 4
    path = root / "img_align_celeba/000003.jpg"
    path.write_bytes(make_jpeg(6))
    changed = open_small(root)
    np.testing.assert_array_equal(changed.images_NCHW[2], changed.images_NCHW[6])
    assert len(packs_in(root / "cache")) == 5
    os.utime(path, (1, 1))  # as long as before, but of another time
    open_small(root)
    assert len(packs_in(root / "cache")) == 6


@pytest.mark.parametrize("prefix", ["img_align_celeba/", ""])
def test_reads_images_from_a_zip(tmp_path: Path, prefix: str) -> None:
    write_txt(tmp_path, make_values(NUM))
    path = tmp_path / "img_align_celeba.zip"
    write_zip(path, NUM, prefix)
    images = open_small(tmp_path).images_NCHW
    np.testing.assert_array_equal(images[4], decode_with_pillow(make_jpeg(4)))
    # Another zip at the same path is another source, in the same process too.
    write_zip(path, NUM + 1, prefix)
    write_txt(tmp_path, make_values(NUM + 1))
    images = open_small(tmp_path).images_NCHW
    np.testing.assert_array_equal(images[NUM], decode_with_pillow(make_jpeg(NUM)))


@pytest.mark.parametrize("content", [None, b"", b"no picture at all", b"\xff\xd8\xff"])
def test_a_bad_image_stops_the_run_and_leaves_nothing(root: Path, content: bytes | None) -> None:
    path = root / "img_align_celeba/000005.jpg"
    cut_short(path) if content is None else path.write_bytes(content)
    with pytest.raises(
        UserError, match=r'img_align_celeba/000005.jpg cannot be decoded \(.+\): .*set on_bad_image to "skip"'
    ):
        open_small(root)
    assert packs_in(root / "cache") == []


def test_says_that_an_image_is_truncated(root: Path) -> None:
    cut_short(root / "img_align_celeba/000005.jpg")
    with pytest.raises(UserError, match=r"cannot be decoded \(image file is truncated"):
        open_small(root)


UNREADABLE = [
    (PermissionError(errno.EACCES, "any"), "Permission denied"),
    (OSError(errno.EIO, "any"), "Input/output error"),
    (OSError(errno.EMFILE, "any"), "Too many open files"),
    (MemoryError(), "out of memory"),
    (OSError("out of memory when reading image file"), "out of memory"),  # as Pillow says it
]


@pytest.mark.parametrize("on_bad_image", ["fail", "skip"])
@pytest.mark.parametrize(("error", "reason"), UNREADABLE)
def test_an_image_that_cannot_be_read_is_not_a_bad_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str, on_bad_image: str
) -> None:
    read = decoding.read_image

    def failing_read(source: ImageSource, name: str) -> bytes:
        if name == "000004.jpg":
            raise error
        return read(source, name)

    with monkeypatch.context() as patch, pytest.raises(UserError) as caught:
        patch.setattr(decoding, "read_image", failing_read)
        open_small(root, on_bad_image=on_bad_image)
    assert str(caught.value).startswith(f"{root}/img_align_celeba/000004.jpg cannot be read ({reason})")
    assert packs_in(root / "cache") == []
    assert open_small(root, on_bad_image=on_bad_image).skipped == ()


def test_a_folder_in_an_images_place_stops_the_run(root: Path) -> None:
    path = root / "img_align_celeba/000004.jpg"
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=r"img_align_celeba/000004.jpg cannot be read \(it is no regular file\)"):
        open_small(root, on_bad_image="skip")
    assert packs_in(root / "cache") == []


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (None, "it is no regular file"),
        ("/dev/zero", "it is no regular file"),
        ("gone", "No such file"),
        ("000004.jpg", "Too many levels"),
    ],
)
def test_a_pipe_a_device_or_a_link_that_leads_nowhere_stops_the_run(root: Path, target: str | None, why: str) -> None:
    path = root / "img_align_celeba/000004.jpg"
    path.unlink()
    os.mkfifo(path) if target is None else path.symlink_to(target)
    with pytest.raises(UserError, match=rf"img_align_celeba/000004.jpg cannot be read \({why}"):
        open_small(root, on_bad_image="skip")
    assert packs_in(root / "cache") == []


@pytest.mark.parametrize("split", [0, 1, 2])
def test_all_images_of_a_split_may_not_be_bad(root: Path, split: int) -> None:
    rows = [row for row in range(NUM) if row % 3 == split]
    for row in rows:
        cut_short(root / "img_align_celeba" / make_ids(NUM)[row])
    for _ in range(2):  # made, then opened
        with pytest.raises(UserError, match=rf"all {len(rows)} images of the {SPLITS[split]} split are bad, .*/00000"):
            open_small(root, on_bad_image="skip")


def test_a_decompressors_error_is_about_the_content(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(source: ImageSource, name: str) -> bytes:
        if name == "000004.jpg":
            raise OSError("Invalid data stream")  # as bz2 says it
        return (source.path / name).read_bytes()

    monkeypatch.setattr(decoding, "read_image", read)
    assert open_small(root, on_bad_image="skip").skipped == ("000004.jpg",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_an_image_is_turned_as_its_exif_says(root: Path, orientation: int, mode: str) -> None:
    jpeg = make_jpeg(0, SIZE, SIZE, mode, orientation)
    (root / "img_align_celeba/000002.jpg").write_bytes(jpeg)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg))).convert("RGB")
    np.testing.assert_array_equal(open_small(root).images_NCHW[1], np.asarray(upright).transpose(2, 0, 1))


def spoil(images: Path, how: str) -> None:
    """Changes the file of a pack's pixels."""
    content = images.read_bytes()
    pixels = np.load(images).nbytes
    images.write_bytes(
        {"zeroed": content[:-pixels] + bytes(pixels), "cut": content[:-9], "empty": b"", "gone": b""}[how]
    )
    os.utime(images, (1, 1))  # a coarse clock might give it the time that it had
    if how == "gone":
        images.unlink()


@pytest.mark.parametrize("how", ["zeroed", "cut", "empty", "gone"])
def test_a_pack_that_was_changed_is_made_again(root: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    cut_short(root / "img_align_celeba/000003.jpg")
    first = open_small(root, on_bad_image="skip")
    expected = first.images_NCHW.copy()
    (folder,) = packs_in(root / "cache")
    spoil(folder / "images.npy", how)
    again = open_small(root, on_bad_image="skip")
    np.testing.assert_array_equal(again.images_NCHW, expected)
    assert again.digest == first.digest == digest_pixels(expected)
    assert f"warning: {folder} was changed" in capsys.readouterr().err
    assert packs_in(root / "cache") == [folder]


def test_a_pack_that_was_copied_is_read_once_and_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_small(root)
    (folder,) = packs_in(root / "cache")
    stamp = (folder / "images.npy").stat().st_mtime_ns
    os.utime(folder / "images.npy", (1, 1))
    monkeypatch.setattr(decoding, "_decode", no_decoding)
    np.testing.assert_array_equal(open_small(root).images_NCHW, first.images_NCHW)
    assert (folder / "images.npy").stat().st_mtime_ns == stamp
    monkeypatch.setattr(pack_module, "digest_pixels", no_decoding)
    assert open_small(root).digest == first.digest


def test_a_pack_without_a_digest_is_made_again(root: Path) -> None:
    """Images that EXIF turns lie on their side in a pack of before."""
    first = open_small(root)
    (folder,) = packs_in(root / "cache")
    made_of = json.loads((folder / "made_of.json").read_text())
    del made_of["pixels"]
    (folder / "made_of.json").write_text(json.dumps(made_of))
    assert open_small(root).digest == first.digest
    assert "pixels" in json.loads((folder / "made_of.json").read_text())


@pytest.mark.parametrize("damage", [b"", b"\0" * 99, b"null", b'{"pixels": null}', b'{"num_images"'])
@pytest.mark.parametrize("name", ["made_of.json", "images.npy"])
def test_a_pack_with_a_damaged_file_is_made_again(root: Path, name: str, damage: bytes) -> None:
    first = open_small(root)
    (folder,) = packs_in(root / "cache")
    (folder / name).write_bytes(damage)
    assert open_small(root).digest == first.digest
    (folder / name).unlink()
    (folder / name).mkdir()
    assert open_small(root).digest == first.digest


@pytest.mark.parametrize("bad", [[0], [6], [2, 3], [0, 1, 2, 3], [1, 3, 5]])
def test_skipped_images_leave_no_gap(root: Path, bad: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    for row in bad:
        cut_short(root / "img_align_celeba" / make_ids(NUM)[row])
    kept = [row for row in range(NUM) if row not in bad]
    table = read_table(root)
    for _ in range(2):  # made, then opened
        pack = open_small(root, on_bad_image="skip")
        assert pack.skipped == tuple(make_ids(NUM)[row] for row in bad)
        assert pack.table.ids.tolist() == [make_ids(NUM)[row] for row in kept]
        np.testing.assert_array_equal(pack.table.labels, table.labels[kept])
        assert len(pack.images_NCHW) == len(kept)
        for image, row in zip(pack.images_NCHW, kept, strict=True):
            np.testing.assert_array_equal(image, decode_with_pillow(make_jpeg(row)))
        monkeypatch.setattr(decoding, "_decode", no_decoding)
    with pytest.raises(UserError, match=rf"{make_ids(NUM)[bad[0]]} cannot be decoded"):
        open_small(root, on_bad_image="fail")


def test_a_pack_of_bad_images_only_is_none(root: Path) -> None:
    for name in make_ids(NUM):
        cut_short(root / "img_align_celeba" / name)
    with pytest.raises(UserError, match=r"000001.jpg cannot be decoded"):
        open_small(root, on_bad_image="skip")
    assert packs_in(root / "cache") == []


def test_a_killed_run_is_not_taken_for_whole(root: Path) -> None:
    whole = open_small(root)
    (folder,) = packs_in(root / "cache")
    expected = whole.images_NCHW.copy()
    (folder / "made_of.json").unlink()
    folder.rename(folder.with_suffix(".partial"))  # as SIGKILL leaves it
    np.testing.assert_array_equal(open_small(root).images_NCHW, expected)
    assert packs_in(root / "cache") == [folder]


@pytest.mark.parametrize(("place", "name"), [(decoding, "_decode"), (pack_module, "to_disk"), (Path, "rename")])
def test_an_interrupted_run_leaves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, place: object, name: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        open_small(root)
    assert packs_in(root / "cache") == []


def test_says_what_it_was_made_of(root: Path) -> None:
    open_small(root)
    (folder,) = packs_in(root / "cache")
    made_of = json.loads((folder / "made_of.json").read_text())
    assert made_of["source"] == str(root / "img_align_celeba")
    assert (made_of["num_images"], made_of["image_size"], made_of["crop"]) == (NUM, SIZE, "full")


def test_threads_make_the_same_pack(root: Path, tmp_path: Path) -> None:
    cut_short(root / "img_align_celeba/000004.jpg")
    table = read_table(root)
    alone = open_pack(table, SIZE, "full", tmp_path / "alone", "skip", num_workers=1)
    together = open_pack(table, SIZE, "full", tmp_path / "together", "skip", num_workers=3)
    assert together.skipped == alone.skipped == ("000004.jpg",)
    np.testing.assert_array_equal(together.images_NCHW, alone.images_NCHW)


def test_refuses_a_disk_that_is_too_small(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 5000, 5000))
    with pytest.raises(UserError, match=r"cache has 0.0 GB free, and 7 images of 16 x 16 take .* make room"):
        open_small(root)


@pytest.mark.parametrize(
    ("image_size", "crop", "on_bad_image", "message"),
    [
        (0, "full", "fail", r"image_size is 0; it must be at least 1 pixel"),
        (SIZE, "round", "fail", r"crop is 'round', .* choose one of full, square"),
        (SIZE, "full", "ignore", r"on_bad_image is 'ignore', .* choose one of fail, skip"),
    ],
)
def test_refuses_options_that_do_not_exist(
    root: Path, image_size: int, crop: str, on_bad_image: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        open_small(root, image_size, crop, on_bad_image)


def test_table_keeps_its_attributes(root: Path) -> None:
    table: Table = open_small(root).table
    assert table.attributes == NAMES
