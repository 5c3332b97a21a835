"""Images in a zip: they are read one by one and never unpacked, so no name in it leads anywhere."""

import struct
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import Lock
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from mtl.data.regular import check_size, why
from mtl.errors import UserError

METHODS = (ZIP_STORED, ZIP_DEFLATED)  # of compression; with others, a few bytes may become gigabytes at once
ENCRYPTED = 0x1  # among a member's flags
DAMAGES = (BadZipFile, NotImplementedError, ValueError, EOFError, struct.error)  # of the list of what is in a zip
LOCK = Lock()  # a ZipFile's count of its open members is not made for threads


def list_zip(path: Path, names: Sequence[str]) -> tuple[str, set[str]]:
    """The folder inside the zip where an image is first found, under its own name if any is, and what it holds.

    Args:
      path: of the zip.
      names: of the images.

    Raises:
      UserError: if it is no whole zip, or an image in it is there twice, encrypted, or compressed in an unusual way.
    """
    members = _read_members(path)
    own, stems = set(names), {PurePosixPath(name).stem for name in names}
    files = [member.filename for member in members if not member.is_dir()]
    named = (name for name in files if name.rpartition("/")[2] in own)
    alike = (name for name in files if PurePosixPath(name).stem in stems)
    first = next(named, None) or next(alike, None)
    if first is None:
        return "", set()
    prefix = first[: first.rfind("/") + 1]
    there = [member for member in members if member.filename.startswith(prefix)]
    _refuse_odd(path, [member for member in there if PurePosixPath(member.filename).stem in stems])
    return prefix, {member.filename.removeprefix(prefix) for member in there}


def names_in_zip(path: Path, names: Sequence[str]) -> set[str]:
    """All that is in a zip, in whichever folder; arguments and what is refused as of `list_zip`."""
    members, wanted = _read_members(path), {*names}
    _refuse_odd(path, [member for member in members if member.filename in wanted])
    return {member.filename for member in members}


def _read_members(path: Path) -> list[ZipInfo]:
    """What a zip lists, without what would lie outside of it."""
    try:
        with ZipFile(path) as archive:
            return [member for member in archive.infolist() if _is_inside(member.filename)]
    except DAMAGES as error:
        raise UserError(f"{path} is not a whole zip file: download it again.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({why(error)}): remove the cause, and try again.") from error


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")


def _refuse_odd(path: Path, members: list[ZipInfo]) -> None:
    if not members:
        return
    name, count = Counter(member.filename for member in members).most_common(1)[0]
    if count > 1:
        raise UserError(f"{path} holds {name} {count} times, and nothing says which is meant: download it again.")
    for member in members:
        if member.flag_bits & ENCRYPTED:
            raise UserError(f"{path} is encrypted ({member.filename} is): unpack it with its password.")
        if member.compress_type not in METHODS:
            raise UserError(
                f"{path} is compressed in a way that may take any amount of memory to undo ({member.filename} is): "
                "unpack it, or zip it with the usual method, deflate."
            )


def read_member(path: Path, name: str, most: int) -> bytes:
    """The bytes of a member, as many as the zip says that it has, if that is not more than `most`.

    Raises:
      UserError: if it is empty or larger; the sentence is the reason alone.
      Exception: one of a dozen types if it is damaged.
    """
    with LOCK:
        archive = open_zip(path)
        num_bytes = archive.getinfo(name).file_size
        check_size(num_bytes, most)
        with archive.open(name) as member:  # archive.read() would unpack 2 GB of a member that has more than it says
            return member.read(num_bytes)


@lru_cache(maxsize=1)
def open_zip(path: Path) -> ZipFile:
    """Opens a zip once per pack, since listing 202,599 files takes a second."""
    return ZipFile(path)
