"""The embedded data set: drawn faces with CelebA's 40 labels, written as official CelebA files.

No file of CelebA is in it: labels are sampled from its published statistics, and the pictures are drawn.
"""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import accumulate, starmap
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from mtl.data.celeba_statistics import read_statistics
from mtl.data.faces.draw import draw_face
from mtl.data.faces.labels import sample_labels
from mtl.data.faces.person import sample_face
from mtl.errors import UserError
from mtl.processes.children import end_with_parent
from mtl.progress import progress
from mtl.record.atomic import to_disk, writing

VERSION = 1  # raise it when the same seed would give other faces
IMAGES = "img_align_celeba"
JPEG_QUALITY = 75  # and 4:2:0, as the official files
IMAGES_PER_JOB = 50
Job = tuple[Path, int, int, np.ndarray, np.ndarray]  # arguments of _draw_files


def image_id(index: int) -> str:
    """The official name of image 0, 1, ...: `000001.jpg`."""
    return f"{index + 1:06d}.jpg"


def _draw_files(folder: Path, seed: int, first: int, degrees_NK: np.ndarray, identity_N: np.ndarray) -> int:
    """Draws and writes consecutive images, the first of them number `first`; returns how many."""
    names = read_statistics().names
    for offset, (degrees_K, identity) in enumerate(zip(degrees_NK.tolist(), identity_N.tolist(), strict=True)):
        face = sample_face(dict(zip(names, degrees_K, strict=True)), seed, identity, first + offset)
        path = folder / image_id(first + offset)
        draw_face(face).save(path, format="JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return len(identity_N)


def _write_lines(path: Path, lines: list[str]) -> None:
    """Writes a text file with the line ends of the official ones."""
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("ascii"))


def _write_tables(folder: Path, labels_NK: np.ndarray, split_N: np.ndarray, identity_N: np.ndarray) -> None:
    """Writes the official text files: attributes, splits, identities."""
    ids = [image_id(index) for index in range(len(labels_NK))]
    rows = ["".join(" " + ("-1", " 1")[value] for value in row) for row in labels_NK.astype(int).tolist()]
    header = [str(len(ids)), " ".join(read_statistics().names) + " "]
    _write_lines(folder / "list_attr_celeba.txt", header + [name + row for name, row in zip(ids, rows, strict=True)])
    _write_lines(folder / "list_eval_partition.txt", [f"{i} {n}" for i, n in zip(ids, split_N, strict=True)])
    _write_lines(folder / "identity_CelebA.txt", [f"{i} {n}" for i, n in zip(ids, identity_N, strict=True)])


def write_faces(root: Path, num_images: int, seed: int, label_noise: float = 0.0, num_workers: int = 0) -> None:
    """Draws labelled faces and writes them as official CelebA files.

    The same seed, number and noise give the same bytes, whatever the number of workers. The files appear under `root`
    all at once: one that fails leaves nothing, and one that is killed a folder beside it that the next one replaces.

    Args:
      root: folder to make; it must not exist.
      num_images: how many faces, at least 3 (one for each split).
      seed: any non-negative integer.
      label_noise: probability with which each label is flipped after its face was drawn.
      num_workers: processes that draw; 0 means one per core, and 1 this process.

    Raises:
      UserError: `num_images` or `label_noise` is out of range.
    """
    assert not root.exists(), root
    if num_images < 3:
        raise UserError(f"Cannot draw {num_images} faces: ask for at least 3, one for each split.")
    if not 0.0 <= label_noise <= 1.0:
        raise UserError(f"Label noise is {label_noise}: give a probability between 0 and 1.")
    rows = sample_labels(num_images, seed)
    flips_NK = np.random.default_rng((seed, 4)).random(rows.labels_NK.shape) < label_noise

    unfinished = root.with_name(root.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # what a killed process left
    try:
        with writing(unfinished):
            (unfinished / IMAGES).mkdir(parents=True)
            _write_tables(unfinished, rows.labels_NK ^ flips_NK, rows.split_N, rows.identity_N)
            chunks = [slice(start, start + IMAGES_PER_JOB) for start in range(0, num_images, IMAGES_PER_JOB)]
            jobs = [
                (unfinished / IMAGES, seed, chunk.start, rows.degrees_NK[chunk], rows.identity_N[chunk])
                for chunk in chunks
            ]
            with progress("drawing faces", num_images) as update:
                for done in accumulate(_run(jobs, num_workers or os.cpu_count() or 1)):
                    update(done)
            os.sync()  # one call for thousands of files
            unfinished.rename(root)
            to_disk(root.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _run(jobs: list[Job], num_workers: int) -> Iterator[int]:
    """Draws all images; yields the number of each job's as it is done. One worker or one job is done right here."""
    if min(num_workers, len(jobs)) == 1:
        yield from starmap(_draw_files, jobs)
        return
    context, num_workers = get_context("spawn"), min(num_workers, len(jobs))
    with ProcessPoolExecutor(num_workers, mp_context=context, initializer=end_with_parent) as pool:
        try:
            yield from pool.map(_draw_files, *zip(*jobs, strict=True))
        except BrokenProcessPool as error:
            raise UserError(
                "a process that drew faces was killed, most often for want of memory: set num_workers to fewer, and "
                "give the same command again",
                "num_workers",
            ) from error
