"""JPEGs that libjpeg decodes in silence though data are missing: what it fills in is grey, or wrong.

libjpeg warns of these, and Pillow keeps that to itself. Found are: an image that was cut short and given an end mark;
a progressive one that lacks scans; a stretch of zeros in the data, which a disk's lost block leaves. Not found are
bytes that were changed into others: a JPEG has no checksum, and after an error most files can be decoded to their end.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2  # coded with Huffman's codes, in blocks of 8 x 8
DHT, SOS, EOI = 0xC4, 0xDA, 0xD9
END_OF_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")  # a marker that is neither a stuffed byte nor a restart
ZEROS = bytes(32)
FILLER = bytes(np.random.default_rng(0).integers(1, 255, 4096, dtype=np.uint8))  # any code that is long enough
GREY = (127, 128)  # a block without data, the first where black is 255
END_OF_BLOCK = 0x00


class Scans(NamedTuple):
    """What the markers of a JPEG say.

    Attributes:
      is_progressive: its scans refine each other.
      first: where the data of the first scan begin.
      end: where those of the last one end.
      number: how many scans there are.
      zeros_are_flat: in every Huffman table of the details, the code that is all zeros ends a block.
      is_complete: the scans hold every bit of every coefficient of every component.
    """

    is_progressive: bool
    first: int
    end: int
    number: int
    zeros_are_flat: bool
    is_complete: bool


def find_scans(data: bytes) -> Scans | None:
    """Walks over the markers up to the end mark; None if there is none, or if this is another kind of JPEG.

    Example:
      >>> find_scans(b"\\xff\\xd8\\xff\\xd9") is None
      True
    """
    kind, first, at, number, zeros_are_flat = None, 0, 2, 0, True
    missing: dict[int, list[int]] = {}  # component -> of each of its 64 coefficients, how many bits are yet to come
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4])
        segment = data[at + 4 : end]
        if marker == 0xFF:  # any number of them may stand before a marker
            at += 1
            continue
        if marker in (BASELINE, EXTENDED, PROGRESSIVE) and len(segment) > 6:
            kind, missing = marker, {component: [99] * 64 for component in segment[6::3]}
        elif marker == DHT:
            zeros_are_flat &= _zeros_are_flat(segment)
        elif marker == SOS and len(segment) >= 6 and len(segment) == 4 + 2 * segment[0]:
            start, stop, shift = segment[-3], segment[-2], segment[-1] & 0xF
            for component in segment[1:-3:2]:
                if component in missing:
                    missing[component][start : stop + 1] = [shift] * len(missing[component][start : stop + 1])
            first, number = first or end, number + 1
            found = END_OF_SCAN.search(data, end)
            if found is None:
                return None
            end = found.start()
            if kind is not None and data[found.end() - 1] == EOI:
                is_complete = not any(map(any, missing.values()))
                return Scans(kind == PROGRESSIVE, first, end, number, zeros_are_flat, is_complete)
        at = end
    return None


def _zeros_are_flat(segment: bytes) -> bool:
    """Whether of each table of the details, not of the blocks' means, the first code stands for the block's end."""
    while len(segment) > 17:
        if segment[0] >> 4 and segment[17] != END_OF_BLOCK:
            return False
        segment = segment[17 + sum(segment[1:17]) :]
    return True


def find_fault(data: bytes, last_pixel: Sequence[int], gives_the_same: Callable[[bytes], bool]) -> str | None:
    """What is wrong with a JPEG that was decoded; None if nothing is found.

    Whether data are missing shows when there are more of them: those behind a whole image change nothing. So an image
    that ends in the grey of missing data is decoded a second time, and no other.

    Args:
      data: of the file.
      last_pixel: channels of the last one of the last row, 0 to 255.
      gives_the_same: whether another file is decoded to the same pixels.

    Example:
      >>> find_fault(b"no JPEG", (128, 128, 128), lambda data: True) is None
      True
    """
    scans = find_scans(data)
    if scans is None:
        return None
    if not scans.is_complete:
        return "some of its scans are missing"
    # With the usual tables, zeros say that every detail of every block is -1, which is so in no picture.
    if scans.number == 1 and not scans.zeros_are_flat and data.find(ZEROS, scans.first, scans.end) >= 0:
        return "there is a stretch of zeros in its data"
    may_lack_data = scans.is_progressive or {*last_pixel} <= {*GREY}
    if may_lack_data and not gives_the_same(data[: scans.end] + FILLER + data[scans.end :]):
        return "it was cut short and given an end mark"
    return None
