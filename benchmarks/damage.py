"""Small data sets of drawn images, and what may have happened to their files: a function per kind of damage.

An image is 24 x 20 pixels of coloured noise, another one for each row, so pixels that came to the labels of another
row are seen. A damage changes files under a root, draws all chances from its generator, and says what it has touched.
"""

import bz2
import io
import os
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZipFile

import numpy as np
from PIL import ExifTags, Image

NUM, WIDTH, HEIGHT = 12, 20, 24
NAMES = ("Bald", "Male", "Smiling", "Young")
IDS = [f"{number:06d}.jpg" for number in range(1, NUM + 1)]
SPLIT = [0, 0, 0, 1, 0, 0, 2, 0, 1, 0, 2, 0]
LISTS = ("list_attr_celeba", "list_eval_partition", "identity_CelebA")
IMAGES = "img_align_celeba"
GIGABYTE = 2**30
FORMATS = ("PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "ICO", "TGA", "JPEG2000", "DDS", "PDF")
TIFF_KINDS = ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")  # of compression
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
LINE_ENDS = (b"\r\n", b"\r", b"\n\n", b"\x0b", b"\xe2\x80\xa8")
NUMBERS = (b"nan", b"inf", b"1e400", b"2", b"", b'"', b"0x1", b"-0", b"-5", b"9" * 12)
TEXTS = (b"\xc2\xb2", b"\xd9\xa1", b"\x1b[2J", b"\xff\xfe")  # a raised 2, an Arabic 1, an escape, no UTF-8
STRANGE_IDS = (
    *(b"../../etc/passwd", b"/etc/passwd", b"a/000001.jpg", b"..", b".", b"000001.jpg", b"000001.JPG", b"000001"),
    *(b"$(reboot)", b"\\input{x}", b"<b>"),
)
NO_IMAGES = (b"", bytes(5000), b"<html>Quota exceeded</html>", b"\xff\xd8\xff", b"GIF89a", b"%PDF-1.4", b"noise" * 99)
Rows = frozenset[int]
Random = random.Random
ALL: Rows = frozenset(range(NUM))
NONE: Rows = frozenset()


class Touched(NamedTuple):
    """What a damage has done.

    Attributes:
      lists: labels, splits or ids may be other ones.
      images: rows whose pixels may be other ones, or gone.
      may_succeed: the files can still be whole and right; False: they must not be taken without a word.
    """

    lists: bool
    images: Rows
    may_succeed: bool = True


Damage = Callable[[Path, Random], Touched]


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def draw(row: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Coloured noise, which is of this row alone."""
    noise = np.random.default_rng(row).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def jpeg(row: int, **options: object) -> bytes:
    return encode(draw(row), "JPEG", quality=90, **options)


def labels() -> np.ndarray:
    """-1 or 1, and 0 for the few that are missing: [NUM, 4]."""
    generator = np.random.default_rng(0)
    values = generator.choice([-1, 1], (NUM, len(NAMES)))
    values.flat[generator.choice(values.size, 3, replace=False)] = 0
    return values


def write_lists(root: Path, is_csv: bool) -> None:
    """Official lists, or Kaggle's, which here have identities too."""
    gap, end, head = (",", "csv", 1) if is_csv else (" ", "txt", 0)
    cells = [[str(value) if value or not is_csv else "" for value in row] for row in labels()]
    rows = [gap.join([id_, *row]) for id_, row in zip(IDS, cells, strict=True)]
    header = [gap.join(["image_id", *NAMES])] if is_csv else [str(NUM), " ".join(NAMES)]
    columns = {LISTS[1]: SPLIT, LISTS[2]: [row // 2 + 7 for row in range(NUM)]}
    (root / f"{LISTS[0]}.{end}").write_text("\n".join([*header, *rows]) + "\n")
    for name, values in columns.items():
        lines = [f"image_id{gap}value"] * head + [f"{id_}{gap}{v}" for id_, v in zip(IDS, values, strict=True)]
        (root / f"{name}.{end}").write_text("\n".join(lines) + "\n")


def write_whole(root: Path, rng: Random, in_zip: bool = False) -> None:
    """A data set without a fault."""
    root.mkdir(parents=True)
    write_lists(root, is_csv=rng.random() < 0.5)
    if in_zip:
        write_zip(root, {f"{IMAGES}/{id_}": jpeg(row) for row, id_ in enumerate(IDS)})
    else:
        (root / IMAGES).mkdir()
        for row, id_ in enumerate(IDS):
            (root / IMAGES / id_).write_bytes(jpeg(row))


def write_zip(root: Path, members: dict[str, bytes], method: int = ZIP_DEFLATED) -> None:
    with ZipFile(root / f"{IMAGES}.zip", "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


# Lists


def pick_list(root: Path, rng: Random) -> Path:
    return rng.choice(sorted(path for path in root.iterdir() if path.stem in LISTS))


def change_list(change: Callable[[bytes, Random], bytes], may_succeed: bool = True) -> Damage:
    """A damage of one of the three lists."""

    def damage(root: Path, rng: Random) -> Touched:
        path = pick_list(root, rng)
        path.write_bytes(change(path.read_bytes(), rng))
        return Touched(True, NONE, may_succeed)

    return damage


def flip_bytes(data: bytes, rng: Random, most: int = 8) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, most)):
        changed[rng.randrange(len(changed))] = rng.choice([0, 255, 10, 32, rng.randrange(256)])
    return bytes(changed)


def cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data))]


def change_line(change: Callable[[list[bytes], int, Random], None]) -> Callable[[bytes, Random], bytes]:
    def change_data(data: bytes, rng: Random) -> bytes:
        lines = data.split(b"\n")
        change(lines, rng.randrange(len(lines) - 1), rng)
        return b"\n".join(lines)

    return change_data


def put_value(*values: bytes) -> Callable[[bytes, Random], bytes]:
    """One of the values in the place of any field of any line."""

    def change(lines: list[bytes], number: int, rng: Random) -> None:
        gap = b"," if b"," in lines[number] else b" "
        fields = lines[number].split(gap)
        fields[rng.randrange(len(fields))] = rng.choice(values)
        lines[number] = gap.join(fields)

    return change_line(change)


def double_line(lines: list[bytes], number: int, rng: Random) -> None:
    lines.insert(rng.randrange(len(lines)), lines[number])


def drop_line(lines: list[bytes], number: int, rng: Random) -> None:
    del lines[number]


def swap_lines(lines: list[bytes], number: int, rng: Random) -> None:
    other = rng.randrange(len(lines) - 1)
    lines[number], lines[other] = lines[other], lines[number]


def long_field(data: bytes, rng: Random) -> bytes:
    return put_value(b"9" * rng.choice([300, 70_000, 2 * 2**20, 40 * 2**20]))(data, rng)


def many_fields(data: bytes, rng: Random) -> bytes:
    return put_value(b"7 " * rng.choice([300, 70_000, 20 * 2**20]))(data, rng)


def zero_one(root: Path, rng: Random) -> Touched:
    path = next(root.glob(f"{LISTS[0]}.*"))
    data = path.read_bytes()
    for old, new in ((b" 0", b" 1"), (b",,", b",1,"), (b",\n", b",1\n"), (b"-1", b"0")):
        data = data.replace(old, new)
    path.write_bytes(data)
    return Touched(True, NONE)


def strange_partition(root: Path, rng: Random) -> Touched:
    path = next(root.glob(f"{LISTS[1]}.*"))
    gap, lines = ("," if path.suffix == ".csv" else " "), path.read_text().splitlines()
    head = len(lines) - NUM
    kinds = ["0", "1", "2", "012", "01", "02", "0123", "-1", ["train", "valid", "test"], ["0.0", "1.0", "2.0"]]
    values = rng.choice(kinds)
    parts = [f"{id_}{gap}{values[row % len(values)]}" for row, id_ in enumerate(IDS)]
    path.write_text("\n".join([*lines[:head], *parts]) + "\n")
    return Touched(True, NONE, may_succeed=values == "012")


def odd_list(root: Path, rng: Random) -> Touched:
    """Something else where a list should be."""
    path = pick_list(root, rng)
    is_needed = path.stem != LISTS[2]
    path.unlink()
    put_odd_file(path, rng)
    return Touched(True, NONE, may_succeed=not is_needed)


def put_odd_file(path: Path, rng: Random, folder: bool = True) -> None:
    """A pipe, a device, a folder, a link in a circle or to nothing, a file that is mostly a hole."""
    kind = rng.choice(["pipe", "device", "circle", "nothing", "hole", "folder" if folder else "pipe"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "hole":
        with path.open("wb") as file:
            file.truncate(3 * GIGABYTE)
    else:
        other = path.with_name(path.name + ".other")
        path.symlink_to({"device": Path("/dev/zero"), "circle": other, "nothing": path.with_name("gone")}[kind])
        if kind == "circle":
            other.symlink_to(path)


# One image's bytes


def end_of_headers(data: bytes) -> int:
    """Where the data of a baseline JPEG begin."""
    return data.index(b"\xff\xda") + 14


def zero_data(data: bytes, rng: Random) -> bytes:
    first, last = end_of_headers(data), len(data) - 2
    at = rng.randrange(first, last - 200)
    return data[:at] + bytes(200) + data[at + 200 :]


def cut_and_end(data: bytes, rng: Random) -> bytes:
    """Cut somewhere in the first three quarters of the data, and given an end mark."""
    first = end_of_headers(data)
    return data[: rng.randrange(first, first + 3 * (len(data) - first) // 4)].rstrip(b"\xff") + b"\xff\xd9"


def png_part(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes, more: bytes = b"", bits: int = 8) -> bytes:
    header = png_part(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + png_part(b"IDAT", data) + png_part(b"IEND", b"")


@cache
def packed_zeros() -> bytes:
    """50 MiB of them."""
    return zlib.compress(bytes(50 * 2**20), 9)


def bomb(data: bytes, rng: Random) -> bytes:
    """Few bytes that say that they are many pixels."""
    kinds = ("png", "png zeros", "png text", "png profile", "png empty", "webp", "bmp", "tiff", "jpeg", "tall")
    kind = rng.choice(kinds)
    side = rng.choice([12_000, 30_000, 65_000])
    zeros = packed_zeros()
    if kind == "png":
        return png(side, side, zlib.compress(b""))
    if kind == "png zeros":
        return png(side, side, zeros)
    if kind == "png text":
        return png(WIDTH, HEIGHT, zeros, png_part(b"zTXt", b"a\0\0" + zeros) * 3)
    if kind == "png profile":
        return png(WIDTH, HEIGHT, zeros, png_part(b"iCCP", b"a\0\0" + zeros))
    if kind == "png empty":
        return png(rng.choice([0, WIDTH]), 0, zlib.compress(b""))
    if kind == "webp":
        canvas = b"VP8X" + struct.pack("<II", 10, 0) + (16382).to_bytes(3, "little") * 2
        body = b"WEBP" + canvas + encode(draw(0), "WEBP", lossless=True)[12:]
        return b"RIFF" + struct.pack("<I", len(body)) + body
    if kind == "bmp":
        whole = encode(draw(0), "BMP")
        return whole[:18] + struct.pack("<ii", side, side) + whole[26:]
    if kind == "tall":
        return encode(Image.new("1", (1, rng.choice([60_000, 2_000_000]))), "PNG")
    if kind == "tiff":
        return encode(Image.new("1", (side // 8, side // 8)), "TIFF", compression="group4").replace(
            struct.pack("<I", side // 8), struct.pack("<I", side)
        )
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", side, side) + data[at + 4 :]


def large(data: bytes, rng: Random) -> bytes:
    """As many pixels as are just decoded."""
    side = 11_000
    packed = zlib.compressobj(1)
    row = bytes(1 + 3 * side) * 100
    return png(side, side, b"".join([*(packed.compress(row) for _ in range(side // 100)), packed.flush()]))


def progressive_cut(data: bytes, rng: Random) -> bytes:
    whole = jpeg(rng.randrange(NUM), progressive=True)
    first = whole.index(b"\xff\xda") + 10
    return whole[: rng.randrange(first, len(whole) * 3 // 4)].rstrip(b"\xff") + b"\xff\xd9"


def other_kind(data: bytes, rng: Random) -> bytes:
    """A whole image, of another kind."""
    image, exif = draw(rng.randrange(NUM)), Image.Exif()
    exif[ExifTags.Base.Orientation] = rng.randrange(10)
    grey = np.asarray(image)[..., 0]
    makers: list[Callable[[], bytes]] = [
        *(partial(encode, image, name) for name in FORMATS),
        *(partial(encode, image.convert(mode), "PNG") for mode in ("L", "LA", "P", "1", "RGBA")),
        *(partial(encode, image.convert(mode), "TIFF") for mode in ("L", "P", "1", "RGBA", "CMYK", "LAB", "YCbCr")),
        *(partial(encode, image.convert(mode), "JPEG") for mode in ("L", "CMYK")),
        *(partial(encode, image, name, exif=exif) for name in ("JPEG", "PNG", "WEBP", "TIFF")),
        *(partial(encode, image, "TIFF", compression=name) for name in TIFF_KINDS),
        partial(encode, image, "JPEG", progressive=True),
        partial(encode, image, "JPEG", restart_marker_blocks=1),
        partial(encode, image, "JPEG", keep_rgb=True),
        partial(encode, image, "PNG", save_all=True, append_images=[image]),
        partial(encode, image, "TIFF", save_all=True, append_images=[image]),
        partial(encode, Image.fromarray(grey.astype(np.uint16) * 256), "PNG"),
        partial(encode, Image.fromarray(grey.astype(np.int32)), "TIFF"),
        partial(encode, Image.fromarray(np.full_like(grey, rng.choice([np.nan, np.inf, 0.5]), np.float32)), "TIFF"),
        *(partial(encode, image.resize(size), "PNG") for size in ((1, 1), (1, 300), (300, 1), (2, 3))),
        partial(png, 4, 4, zlib.compress(b"\0" + bytes(24) * 4), bits=16),
    ]
    return rng.choice(makers)()


def no_image(data: bytes, rng: Random) -> bytes:
    return rng.choice(NO_IMAGES)


def change_images(change: Callable[[bytes, Random], bytes], may_succeed: bool = True, most: int = 4) -> Damage:
    """A damage of some images' files."""

    def damage(root: Path, rng: Random) -> Touched:
        rows = frozenset(rng.sample(range(NUM), rng.randint(1, most)))
        for row in rows:
            path = root / IMAGES / IDS[row]
            path.write_bytes(change(path.read_bytes(), rng))
        return Touched(False, rows, may_succeed)

    return damage


def odd_image(root: Path, rng: Random) -> Touched:
    path = root / IMAGES / IDS[(row := rng.randrange(NUM))]
    path.unlink()
    put_odd_file(path, rng)
    return Touched(False, frozenset([row]), may_succeed=False)


def bad_split(root: Path, rng: Random) -> Touched:
    """All images of a split, or of all splits."""
    chosen = rng.choice([(0,), (1,), (2,), (0, 1, 2)])
    rows = frozenset(row for row in range(NUM) if SPLIT[row] in chosen)
    for row in rows:
        path = root / IMAGES / IDS[row]
        path.write_bytes(path.read_bytes()[:-100])
    return Touched(False, rows, may_succeed=False)


def missing_images(root: Path, rng: Random) -> Touched:
    rows = frozenset(rng.sample(range(NUM), rng.randint(1, NUM)))
    for row in rows:
        path = root / IMAGES / IDS[row]
        rng.choice([path.unlink, lambda path=path: path.rename(path.with_suffix(".txt"))])()
    return Touched(False, rows, may_succeed=False)


def odd_folder(root: Path, rng: Random) -> Touched:
    """Something else where the folder of images should be."""
    (root / IMAGES).rename(root / "elsewhere")
    put_odd_file(root / rng.choice([IMAGES, f"{IMAGES}.zip"]), rng)
    return Touched(False, ALL, may_succeed=False)


# Zips


def change_zip(change: Callable[[bytes, Random], bytes], may_succeed: bool = True) -> Damage:
    """A damage of the bytes of the zip."""

    def damage(root: Path, rng: Random) -> Touched:
        path = root / f"{IMAGES}.zip"
        path.write_bytes(change(path.read_bytes(), rng))
        return Touched(False, ALL, may_succeed)

    return damage


def change_members(change: Callable[[dict[str, bytes], Random], Rows], may_succeed: bool = True) -> Damage:
    """A zip with other members."""

    def damage(root: Path, rng: Random) -> Touched:
        members = {f"{IMAGES}/{id_}": jpeg(row) for row, id_ in enumerate(IDS)}
        rows = change(members, rng)
        write_zip(root, members)
        return Touched(False, rows, may_succeed)

    return damage


def drop_members(members: dict[str, bytes], rng: Random) -> Rows:
    rows = frozenset(rng.sample(range(NUM), rng.randint(1, NUM)))
    for row in rows:
        del members[f"{IMAGES}/{IDS[row]}"]
    return rows


def escape(members: dict[str, bytes], rng: Random) -> Rows:
    """Members that would lie outside, before those that lie inside."""
    inside = dict(members)
    members.clear()
    for name in rng.sample(IDS, 3):
        members[rng.choice(["../../", "/", "/etc/", f"{IMAGES}/../../"]) + name] = jpeg(0)
    members |= inside
    return NONE


def zero_member(members: dict[str, bytes], rng: Random) -> Rows:
    row = rng.randrange(NUM)
    members[f"{IMAGES}/{IDS[row]}"] = bytes(rng.choice([2**20, 60 * 2**20, 150 * 2**20]))
    return frozenset([row])


def set_in_directory(offset: int, value: bytes) -> Callable[[bytes, Random], bytes]:
    """Bytes of some members' entries in the zip's directory."""

    def change(data: bytes, rng: Random) -> bytes:
        changed = bytearray(data)
        places = [at for at in range(len(data) - 4) if data[at : at + 4] == b"PK\x01\x02"]
        for at in rng.sample(places, rng.randint(1, len(places))):
            changed[at + offset : at + offset + len(value)] = value
        return bytes(changed)

    return change


def lying_bomb(root: Path, rng: Random) -> Touched:
    """A member of 3 GB of zeros that says that it has 20,000 bytes."""
    write_zip(root, {f"{IMAGES}/{id_}": (bytes(20_000) if row == 5 else jpeg(row)) for row, id_ in enumerate(IDS)})
    path, packed = root / f"{IMAGES}.zip", zlib.compressobj(9, wbits=-15)
    data, block = path.read_bytes(), bytes(2**20)
    stream = b"".join([*(packed.compress(block) for _ in range(300)), packed.flush()])
    old = zlib.compressobj(wbits=-15)
    short = old.compress(bytes(20_000)) + old.flush()
    start = data.index(short)
    entry = data.index(b"PK\x01\x02", data.index(f"{IMAGES}/{IDS[5]}".encode(), start) - 46)
    grown = len(stream) - len(short)
    changed = bytearray(data)
    changed[entry + 20 : entry + 24] = struct.pack("<I", len(stream))
    for at in range(len(data) - 4):
        if data[at : at + 4] == b"PK\x01\x02":
            offset = struct.unpack("<I", data[at + 42 : at + 46])[0]
            if offset > start:
                changed[at + 42 : at + 46] = struct.pack("<I", offset + grown)
        if data[at : at + 4] == b"PK\x05\x06":
            changed[at + 16 : at + 20] = struct.pack("<I", struct.unpack("<I", data[at + 16 : at + 20])[0] + grown)
    path.write_bytes(bytes(changed[:start]) + stream + bytes(changed[start + len(short) :]))
    return Touched(False, frozenset([5]), may_succeed=False)


def odd_method(root: Path, rng: Random) -> Touched:
    members = {f"{IMAGES}/{id_}": jpeg(row) for row, id_ in enumerate(IDS)} | {f"{IMAGES}/{IDS[3]}": bytes(80 * 2**20)}
    write_zip(root, members, rng.choice([ZIP_BZIP2, ZIP_LZMA]))
    return Touched(False, ALL, may_succeed=False)


def double_member(root: Path, rng: Random) -> Touched:
    path = root / f"{IMAGES}.zip"
    other, name = "x" * len(IDS[0]), rng.choice(IDS)
    write_zip(root, {f"{IMAGES}/{id_}": jpeg(row) for row, id_ in enumerate(IDS)} | {f"{IMAGES}/{other}": jpeg(0)})
    path.write_bytes(path.read_bytes().replace(other.encode(), name.encode()))
    return Touched(False, ALL, may_succeed=False)


OF_LISTS: dict[str, Damage] = {
    "list: bytes flipped": change_list(flip_bytes),
    "list: cut": change_list(cut),
    "list: web page": change_list(lambda data, rng: b"<!DOCTYPE html><html>Quota exceeded</html>", False),
    "list: UTF-16": change_list(lambda data, rng: data.decode().encode(rng.choice(ENCODINGS)), False),
    "list: byte order mark": change_list(lambda data, rng: b"\xef\xbb\xbf" + data),
    "list: empty": change_list(lambda data, rng: rng.choice([b"", b"\n", b" \n\n", b"\0"]), False),
    "list: noise": change_list(lambda data, rng: rng.randbytes(rng.randrange(1, 3000)), False),
    "list: a zip": change_list(lambda data, rng: b"PK\3\4" + bz2.compress(data), False),
    "list: line ends": change_list(lambda data, rng: data.replace(b"\n", rng.choice(LINE_ENDS))),
    "list: line doubled": change_list(change_line(double_line), False),
    "list: line dropped": change_list(change_line(drop_line)),
    "list: lines swapped": change_list(change_line(swap_lines)),
    "list: field of up to 40 MB": change_list(long_field, False),
    "list: millions of fields": change_list(many_fields, False),
    "list: odd value": change_list(put_value(*NUMBERS, *TEXTS)),
    "list: odd id": change_list(put_value(*STRANGE_IDS)),
    "list: labels 0 and 1": zero_one,
    "list: strange partition": strange_partition,
    "list: no file": odd_list,
}
OF_FILES: dict[str, Callable[[bytes, Random], bytes]] = {
    "cut": cut,
    "bytes flipped": flip_bytes,
    "header flipped": lambda data, rng: flip_bytes(data[:40], rng) + data[40:],
    "stretch of zeros": zero_data,
    "cut with an end mark": cut_and_end,
    "progressive, cut with an end mark": progressive_cut,
    "bomb": bomb,
    "other kind": other_kind,
    "other kind, bytes flipped": lambda data, rng: flip_bytes(other_kind(data, rng), rng, 3),
    "other kind, cut": lambda data, rng: cut(other_kind(data, rng), rng),
    "no image": no_image,
    "as large as may be": large,
}
MUST_FAIL = ("cut", "stretch of zeros", "cut with an end mark", "no image")
OF_FOLDERS: dict[str, Damage] = {
    **{f"image: {name}": change_images(change, name not in MUST_FAIL) for name, change in OF_FILES.items()},
    "image: no file": odd_image,
    "image: all of a split": bad_split,
    "image: missing": missing_images,
    "image: no folder": odd_folder,
}
OF_ZIPS: dict[str, Damage] = {
    "zip: cut": change_zip(cut, False),
    "zip: bytes flipped": change_zip(flip_bytes),
    "zip: noise": change_zip(lambda data, rng: rng.choice([b"", rng.randbytes(500), b"PK\5\6"]), False),
    "zip: missing members": change_members(drop_members, False),
    "zip: escaping members": change_members(escape),
    "zip: member of zeros": change_members(zero_member, False),
    "zip: member of more than it says": lying_bomb,
    "zip: encrypted": change_zip(set_in_directory(8, b"\x01\0"), False),
    "zip: says gigabytes": change_zip(set_in_directory(24, struct.pack("<I", 3 * GIGABYTE)), False),
    "zip: odd compression": odd_method,
    "zip: odd method": change_zip(set_in_directory(10, b"\x63\0"), False),
    "zip: wrong checksum": change_zip(set_in_directory(16, b"abcd"), False),
    "zip: member twice": double_member,
}
HEAVY = ("40 MB", "millions", "member of", "odd compression", "as large")  # seconds each, so there are fewer of them
