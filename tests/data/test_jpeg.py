"""JPEGs that lack data, and whole ones that look as if they did."""

import numpy as np
import pytest
from PIL import Image

from mtl.data import decoding
from mtl.data.jpeg import find_scans
from mtl.errors import UserError
from tests.data.test_decoding import JPEGS, PICTURE, encode

END = b"\xff\xd9"


def first_scan(data: bytes) -> int:
    scans = find_scans(data)
    assert scans is not None
    return scans.first


@pytest.mark.parametrize("kind", JPEGS)
def test_markers_of_whole_images_are_walked_over(kind: str) -> None:
    data = JPEGS[kind]
    scans = find_scans(data)
    assert scans is not None and scans.is_complete
    assert scans.is_progressive == (kind == "progressive") == (scans.number > 1)
    assert data[scans.end : scans.end + 2] == END
    assert data[: scans.first].count(b"\xff\xda") == 1


@pytest.mark.parametrize("kind", ["baseline", "4:4:4", "4:2:2", "restarts", "RGB", "grey", "CMYK", "turned"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
def test_an_image_that_was_cut_short_and_given_an_end_mark_is_bad(kind: str, share: float) -> None:
    first = first_scan(JPEGS[kind])
    length = first + int(share * (len(JPEGS[kind]) - first))
    with pytest.raises(UserError, match="it was cut short and given an end mark"):
        decoding._decode(JPEGS[kind][:length].rstrip(b"\xff") + END)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_a_progressive_image_that_was_cut_is_bad(share: float) -> None:
    data = JPEGS["progressive"]
    length = first_scan(data) + int(share * (len(data) - first_scan(data)))
    with pytest.raises((UserError, OSError)):  # the second if a marker was cut through
        decoding._decode(data[:length].rstrip(b"\xff") + END)


@pytest.mark.parametrize("kind", ["baseline", "4:4:4", "RGB", "grey", "CMYK"])
def test_a_stretch_of_zeros_is_bad(kind: str) -> None:
    data, at = JPEGS[kind], first_scan(JPEGS[kind]) + 40
    with pytest.raises(UserError, match="there is a stretch of zeros in its data"):
        decoding._decode(data[:at] + bytes(200) + data[at + 200 :])


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("value", [0, 127, 128, 255])
def test_flat_images_are_whole(mode: str, options: dict[str, bool], value: int) -> None:
    """Their data may be zeros, and their last pixel the grey of missing data."""
    flat = Image.fromarray(np.full((300, 300, 3), value, np.uint8)).convert(mode)
    assert decoding._decode(encode(flat, "JPEG", **options)).shape == (3, 300, 300)


def test_a_picture_that_ends_in_grey_is_whole() -> None:
    pixels = np.array(PICTURE.resize((96, 96)))
    pixels[48:] = 128
    assert decoding._decode(encode(Image.fromarray(pixels), "JPEG", quality=95)).shape == (3, 96, 96)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xda\0\x02\xff\xd9", b"\xff" * 99])
def test_what_has_no_scans_says_nothing(data: bytes) -> None:
    assert find_scans(data) is None
