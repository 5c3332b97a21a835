"""One damaged data set, photo or upload is tried in a forked child with a limit of memory and time; how did it end?

It may end in success, with images skipped by name, or in one sentence. Everything else is a fault: another exception,
no end, memory, a pack in the cache that is not whole, labels or pixels of another row, damage that nobody noticed.
"""

import contextlib
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import damage
import numpy as np
import torch
from damage import IDS, OF_FILES, OF_FOLDERS, OF_LISTS, OF_ZIPS, Touched

from mtl.app.answers import answer_photo
from mtl.data.load import DataSettings, load_pack
from mtl.data.pack import Pack
from mtl.errors import UserError, printable
from mtl.photos.reading import decode_photo, read_photo

SIZE = 16  # pixels of a packed image
MOST_MEMORY = 1700 * 2**20  # bytes that a case may take: what the largest image that is decoded takes
HARD_LIMIT = 3 * 2**30  # of address space, where memory ends
MOST_SECONDS = 240  # by the wall clock, also on a machine that does ten other things; a pipe would never end
MOST_WORDS = 1000  # characters of a sentence
PLACES = {
    **{kind: "lists" for kind in OF_LISTS},
    **{kind: "folder" for kind in OF_FOLDERS},
    **{kind: "zip" for kind in OF_ZIPS},
    **{f"photo: {kind}": "photo" for kind in [*OF_FILES, "no file"]},
    **{f"upload: {kind}": "upload" for kind in OF_FILES},
}
KINDS = tuple(PLACES)


class Ending(NamedTuple):
    """How a case ended."""

    kind: str
    seed: int
    how: str  # success, skip, sentence or fault
    said: str  # the sentence, the names of what was skipped, or what the fault is
    memory: int  # bytes that it took beside those of the parent
    seconds: float  # of CPU


class Fault(Exception):
    """What must not be."""


def try_case(kind: str, seed: int, folder: Path, whole: Pack) -> Ending:
    """Makes a damaged data set or photo in a folder and tries it in a child.

    Args:
      kind: one of KINDS.
      seed: of everything that is left to chance.
      folder: is removed afterwards.
      whole: of `open_whole`.
    """
    rng = random.Random(f"{kind} {seed}")
    folder.mkdir(parents=True)
    try:
        return in_child(kind, seed, prepare(kind, rng, folder, whole))
    finally:
        shutil.rmtree(folder)


def open_whole(folder: Path) -> Pack:
    """The pack of the data set without a fault, whose pixels and labels others are compared with."""
    damage.write_whole(folder / "data", random.Random(0))
    return load_pack(settings(folder, "fail"))


def prepare(kind: str, rng: random.Random, folder: Path, whole: Pack) -> Callable[[], tuple[str, str]]:
    """Damages files; returns what is to be tried."""
    place = PLACES[kind]
    if place in ("photo", "upload"):
        return prepare_photo(kind.partition(": ")[2], place, rng, folder)
    damage.write_whole(folder / "data", rng, in_zip=place == "zip")
    touched = (OF_LISTS | OF_FOLDERS | OF_ZIPS)[kind](folder / "data", rng)
    return lambda: open_damaged(folder, rng.choice(["fail", "skip"]), touched, whole)


def prepare_photo(kind: str, place: str, rng: random.Random, folder: Path) -> Callable[[], tuple[str, str]]:
    path, may_succeed = folder / "photo.jpg", kind not in (*damage.MUST_FAIL, "no file")
    if kind == "no file":
        damage.put_odd_file(path, rng)
    else:
        path.write_bytes(OF_FILES[kind](damage.jpeg(3), rng))

    def look() -> tuple[str, str]:
        if place == "photo":
            photo_HWC = read_photo(path)
        else:
            with contextlib.suppress(NoFaces):
                answer_photo([], refuse_faces, path.read_bytes(), aligned=False)
            photo_HWC = decode_photo(path.read_bytes())
        require(photo_HWC.ndim == 3 and photo_HWC.shape[2] == 3 and photo_HWC.dtype == np.uint8, "no photo")
        require(may_succeed, "damage was not noticed")
        return "success", ""

    return look


class NoFaces(Exception):
    """Ends an answer where networks would be asked."""


def refuse_faces(photo_HWC: np.ndarray) -> list:
    raise NoFaces


def settings(folder: Path, on_bad_image: str) -> DataSettings:
    return DataSettings(
        name="celeba", root=folder / "data", table="", tasks=(), image_column="", split_column="", group_column="",
        split_seed=0, attributes=("all",), image_size=SIZE, crop="full", flip=True, max_shift=0,
        on_bad_image=on_bad_image, cache=folder / "cache", num_workers=2, num_faces=0, faces_seed=0, label_noise=0.0,
        label_fractions=(), fold="",
    )  # fmt: skip


def open_damaged(folder: Path, on_bad_image: str, touched: Touched, whole: Pack) -> tuple[str, str]:
    """Opens a pack twice, made and from the cache, and compares what was not damaged."""
    try:
        packs = [load_pack(settings(folder, on_bad_image)) for _ in range(2)]
    finally:
        check_cache(folder / "cache")
    for pack in packs:
        check_pack(pack, touched, whole)
    skipped = packs[0].skipped
    require(not skipped or on_bad_image == "skip", "skipped, and nobody asked for it")
    are_touched = {*skipped} <= {IDS[row] for row in touched.images}
    require(are_touched, "skipped what is whole")
    require(touched.may_succeed or bool(skipped), "damage was not noticed")
    return ("skip", ", ".join(skipped)) if skipped else ("success", "")


def check_cache(cache: Path) -> None:
    left = sorted(path.name for path in cache.iterdir()) if cache.is_dir() else []
    require(all("." not in name for name in left), f"left in the cache: {left}")
    for name in left:
        require({path.name for path in (cache / name).iterdir()} == {"images.npy", "made_of.json"}, "no whole pack")


def check_pack(pack: Pack, touched: Touched, whole: Pack) -> None:
    """Pixels, labels, splits and people belong to the same rows as in the whole data set."""
    table, (num, num_attributes) = pack.table, pack.table.labels.shape
    require(pack.images_NCHW.shape == (num, 3, SIZE, SIZE), "no pixels for each row")
    require(len(table.ids) == len(table.split) == len(table.identity) == num == len(table.mask), "unequal columns")
    require(num_attributes == len(table.attributes), "unequal attributes")
    require({*table.split.tolist()} == {0, 1, 2}, "a split is empty")
    stems = [id_.partition(".")[0] for id_ in IDS]
    rows = [stems.index(id_.partition(".")[0]) for id_ in table.ids.tolist()]
    require(len(set(rows)) == num, "a row twice")
    same = [number for number, row in enumerate(rows) if row not in touched.images]
    of_whole = [rows[number] for number in same]
    require(np.array_equal(pack.images_NCHW[same], whole.images_NCHW[of_whole]), "pixels of another row")
    if not touched.lists:
        require(num + len(pack.skipped) == len(IDS), "rows are missing")
        for name in ("labels", "mask", "split", "identity"):
            found, expected = getattr(table, name), getattr(whole.table, name)
            require(np.array_equal(found, expected[rows]), f"{name} of another row")


def require(holds: bool, fault: str) -> None:
    if not holds:
        raise Fault(fault)


def in_child(kind: str, seed: int, attempt: Callable[[], tuple[str, str]]) -> Ending:
    """Forks, and waits for what the child says."""
    read, write = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read)
        answer(write, attempt)  # does not return
    os.close(write)
    said = b""
    try:
        while select.select([read], [], [], max(began + MOST_SECONDS - time.monotonic(), 0))[0]:
            if not (more := os.read(read, 2**16)):
                break
            said += more
        else:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(read)
        _, status, used = os.wait4(child, 0)
    seconds = round(used.ru_utime + used.ru_stime, 2)
    if not said:
        ended = time.monotonic() - began < MOST_SECONDS
        fault = f"it died ({status})" if ended else "it did not end"
        return Ending(kind, seed, "fault", fault, 0, seconds)
    how, words, memory = json.loads(said)
    if memory > MOST_MEMORY or "out of memory" in words:
        how, words = "fault", f"it took {memory / 2**20:.0f} MiB ({words})"
    return Ending(kind, seed, how, words, memory, seconds)


def answer(pipe: int, attempt: Callable[[], tuple[str, str]]) -> None:
    """What the child does: it tries, writes how that ended, and leaves without the parent's clean-up."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the most that was held is what is held now
        before = memory_now()
        nowhere = os.open(os.devnull, os.O_WRONLY)  # libtiff writes by itself
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        most = address_space_now() + HARD_LIMIT
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        try:
            how, said = attempt()
        except UserError as error:
            said = printable(str(error))  # as the command prints it
            is_sentence = 10 < len(said) < MOST_WORDS and "\n" not in str(error) and said.isprintable()
            how, said = ("sentence", said) if is_sentence else ("fault", f"no sentence: {said[:200]!r}")
        except BaseException:
            how, said = "fault", traceback.format_exc()[-1500:]
        memory = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before, 0)
        with os.fdopen(pipe, "w") as file:
            json.dump([how, said, memory], file)
    finally:
        os._exit(0)


def memory_now() -> int:
    return pages(1)


def address_space_now() -> int:
    return pages(0)


def pages(field: int) -> int:
    return int(Path("/proc/self/statm").read_text().split()[field]) * resource.getpagesize()


def be_alone() -> None:
    """Before the first fork: a child has no threads of its parent."""
    torch.set_num_threads(1)
    sys.stdout.flush()
