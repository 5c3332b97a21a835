"""Images of every kind: the same bits as torchvision's decoder, or one sentence on what is wrong."""

import io
import struct
import threading
import time
import warnings
import zlib
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from torchvision import io as torchvision_io

from mtl.data import decoding
from mtl.data.decoding import Chunk, decode_all
from mtl.data.image_files import ImageSource
from mtl.errors import UserError
from tests.data.celeba_files import make_jpeg

REAL = Path(__file__).parents[2] / "../shared/data/celeba/img_align_celeba.zip"
decode_jpeg = getattr(torchvision_io, "decode_jpeg", None)  # its removal is announced
needs_torchvision = pytest.mark.skipif(decode_jpeg is None, reason="this torchvision decodes no images any more")

noise = np.random.default_rng(0).integers(0, 256, (37, 51, 3), dtype=np.uint8)
PICTURE = Image.fromarray(noise).resize((51, 37), Image.Resampling.BICUBIC, box=(0, 0, 12, 9))  # smooth, odd sides


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


JPEGS = {
    "baseline": encode(PICTURE, "JPEG"),
    "progressive": encode(PICTURE, "JPEG", progressive=True),
    "4:4:4": encode(PICTURE, "JPEG", subsampling="4:4:4"),
    "4:2:2": encode(PICTURE, "JPEG", subsampling="4:2:2"),
    "restarts": encode(PICTURE, "JPEG", restart_marker_blocks=2),
    "RGB": encode(PICTURE, "JPEG", keep_rgb=True),
    "grey": encode(PICTURE.convert("L"), "JPEG"),
    "CMYK": encode(PICTURE.convert("CMYK"), "JPEG"),
    "turned": make_jpeg(0, 20, 30, orientation=6),
    "more after its end": encode(PICTURE, "JPEG") + b"more",
}


def decode_with_torchvision(data: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The image decoding", DeprecationWarning)
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        mode = torchvision_io.ImageReadMode.RGB
        return decode_jpeg(encoded, mode=mode, apply_exif_orientation=True).numpy()


def decode(*files: bytes, folder: Path, size: int = 8) -> tuple[Chunk, ...]:
    """Decodes files as the images a, b, ... of a folder."""
    names = [chr(ord("a") + row) for row in range(len(files))]
    for name, data in zip(names, files, strict=True):
        (folder / name).write_bytes(data)
    return tuple(decode_all(ImageSource(folder, ""), names, size, "full", 2))


def reason(data: bytes, folder: Path) -> str:
    """Why it is a bad image."""
    (chunk,) = decode(data, folder=folder)
    assert len(chunk.images_NCHW) == 0
    return chunk.bad["a"]


def make_png(colour_type: int, pixels_HW: np.ndarray) -> bytes:
    """A PNG of 16 bits a number, which Pillow writes of grey only."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height = len(pixels_HW)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels_HW)
    header = part(b"IHDR", struct.pack(">IIBBBBB", height, height, 16, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


@needs_torchvision
@pytest.mark.parametrize("kind", JPEGS)
def test_gives_the_bits_of_torchvisions_decoder(kind: str) -> None:
    image_CHW = decoding._decode(JPEGS[kind])
    np.testing.assert_array_equal(image_CHW.numpy(), decode_with_torchvision(JPEGS[kind]))
    assert image_CHW.shape == ((3, 30, 20) if kind == "turned" else (3, 37, 51))


@needs_torchvision
@pytest.mark.skipif(not REAL.is_file(), reason="the real images of ../shared/data/celeba are not on this machine")
def test_gives_the_bits_of_torchvisions_decoder_for_real_images() -> None:
    with ZipFile(REAL) as archive:
        for name in archive.namelist()[1:10_000:100]:
            data = archive.read(name)
            np.testing.assert_array_equal(decoding._decode(data).numpy(), decode_with_torchvision(data))


@pytest.mark.parametrize("kind", ["baseline", "progressive", "grey", "CMYK", "restarts"])
def test_an_image_that_was_cut_anywhere_is_bad(kind: str) -> None:
    """But for the mark of its end, two bytes that hold no pixel, and that a grey image is whole without."""
    whole = decoding._decode(JPEGS[kind])
    for length in range(0, len(JPEGS[kind]), 7):
        with pytest.raises(OSError):
            decoding._decode(JPEGS[kind][:length])
    for length in (-3, -2, -1):
        try:
            image = decoding._decode(JPEGS[kind][:length])
        except OSError:
            continue
        assert kind == "grey" and length > -3
        assert torch.equal(image, whole)


OTHERS = {
    "PNG": encode(PICTURE, "PNG"),
    "WebP": encode(PICTURE, "WEBP", lossless=True),
    "BMP": encode(PICTURE, "BMP"),
    "TIFF": encode(PICTURE, "TIFF"),
    "TIFF, packed": encode(PICTURE, "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_are_whole_or_bad(kind: str, tmp_path: Path) -> None:
    data = OTHERS[kind]
    np.testing.assert_array_equal(decoding._decode(data).numpy(), np.asarray(PICTURE).transpose(2, 0, 1))
    for length in range(0, len(data) - 40, 161):
        assert reason(data[:length], tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_every_format_that_has_an_orientation_is_turned_once(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    upright = PICTURE.transpose(decoding.TURNS[orientation]) if orientation > 1 else PICTURE
    image_CHW = decoding._decode(encode(PICTURE, format, exif=exif, **options))
    np.testing.assert_array_equal(image_CHW.numpy(), np.asarray(upright).transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])  # the second: high bytes first
def test_a_grey_tiff_of_16_bits_keeps_the_upper_8(mode: str) -> None:
    pixels_HW = (np.arange(16) * 4000).reshape(4, 4)
    data = pixels_HW.astype("<u2" if mode == "I;16" else ">u2").tobytes()
    tiff = encode(Image.frombytes(mode, (4, 4), data), "TIFF")
    np.testing.assert_array_equal(decoding._decode(tiff)[0].numpy(), pixels_HW >> 8)


def test_modes_of_png_become_rgb() -> None:
    with_alpha = PICTURE.copy()
    with_alpha.putalpha(0)
    np.testing.assert_array_equal(decoding._decode(encode(with_alpha, "PNG")), np.asarray(PICTURE).transpose(2, 0, 1))
    palette = PICTURE.quantize(4)
    expected = np.asarray(palette.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(decoding._decode(encode(palette, "PNG", transparency=1)), expected)


@pytest.mark.parametrize(("colour_type", "num_channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])  # grey, RGB, with alpha
def test_of_16_bits_the_upper_8_stay(colour_type: int, num_channels: int) -> None:
    pixels_HWC = (np.arange(16 * num_channels, dtype=np.uint16) * 1000).reshape(4, 4, num_channels)
    expected_HWC = (pixels_HWC >> 8)[..., [0, 0, 0] if num_channels < 3 else [0, 1, 2]]
    image_CHW = decoding._decode(make_png(colour_type, pixels_HWC.reshape(4, -1)))
    np.testing.assert_array_equal(image_CHW.numpy(), expected_HWC.transpose(2, 0, 1))


def test_oddities_of_a_whole_image_are_no_warnings(tmp_path: Path) -> None:
    see_through = encode(PICTURE.quantize(4), "PNG", transparency=bytes([0, 128, 255, 255]))
    jpeg = make_jpeg(0, orientation=6)
    broken_exif = jpeg.replace(b"Exif\0\0MM", b"Exif\0\0??").replace(b"Exif\0\0II", b"Exif\0\0??")
    assert broken_exif != jpeg
    (chunk,) = decode(see_through, broken_exif, folder=tmp_path)
    assert chunk.bad == {}


@pytest.mark.parametrize(("limit", "value"), [("MAX_PIXELS", 37 * 51 - 1), ("MAX_SIDE", 50)])
def test_too_many_pixels_are_a_bad_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(decoding, limit, value)
    assert reason(JPEGS["baseline"], tmp_path).startswith("it has 51 x 37 pixels, and at most")


def test_large_images_are_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody decodes a large one, others wait, and those with small ones do not."""
    monkeypatch.setattr(decoding, "LARGE", 37 * 51 - 1)
    found: list[torch.Tensor] = []
    waiting = threading.Thread(target=lambda: found.append(decoding._decode(JPEGS["baseline"])))
    with decoding.ONE_LARGE:
        waiting.start()
        assert decoding._decode(make_jpeg(0)).shape == (3, 16, 16)
        assert found == []
    waiting.join(timeout=60)
    assert found[0].shape == (3, 37, 51)


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_png_whose_bytes_were_changed_is_bad(tmp_path: Path, place: float) -> None:
    data = bytearray(OTHERS["PNG"])
    data[int(place * len(data))] ^= 1
    assert reason(bytes(data), tmp_path)


@pytest.mark.parametrize("data", [b"no picture", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n", encode(PICTURE, "GIF")])
def test_what_is_no_image_is_said(tmp_path: Path, data: bytes) -> None:
    assert reason(data, tmp_path) == "it is none of JPEG, PNG, WEBP, BMP, TIFF"
    assert reason(b"", tmp_path) == "it is empty"


def test_chunks_come_in_order_and_few_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CHUNK", 2)
    decoded: list[str] = []

    def read(_: ImageSource, name: str) -> bytes:
        if name == "000":
            time.sleep(0.05)  # the first is not the first to be done
        decoded.append(name)
        return make_jpeg(int(name))

    monkeypatch.setattr(decoding, "read_image", read)
    names = [f"{row:03d}" for row in range(41)]
    chunks = decode_all(ImageSource(tmp_path, ""), names, 4, "full", 2)
    images = [next(chunks).images_NCHW]
    assert len(decoded) <= 2 * 5
    images += [chunk.images_NCHW for chunk in chunks]
    expected = [decoding._resize(decoding._decode(make_jpeg(row)), 4) for row in range(41)]
    np.testing.assert_array_equal(np.concatenate(images), torch.stack(expected))
    assert sorted(decoded) == names


def test_workers_end_when_nobody_waits_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CHUNK", 1)
    for row in range(9):
        (tmp_path / str(row)).write_bytes(make_jpeg(row))
    before = threading.active_count()
    chunks = decode_all(ImageSource(tmp_path, ""), [str(row) for row in range(9)], 4, "full", 2)
    next(chunks)
    assert threading.active_count() > before
    chunks.close()
    assert threading.active_count() == before


def test_an_image_that_cannot_be_read_ends_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gone cannot be read \\(No such file or directory\\)"):
        list(decode_all(ImageSource(tmp_path, ""), ["gone"], 4, "full", 2))
