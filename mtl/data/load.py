"""Data from whichever files: a pack with the chosen attributes."""

from pathlib import Path
from typing import NamedTuple

from mtl.data.celeba import find_lists, read_table
from mtl.data.faces import VERSION, write_faces
from mtl.data.hide import hide_labels
from mtl.data.pack import Pack, open_pack
from mtl.data.parquet.files import find_files
from mtl.data.parquet.table import read_parquet
from mtl.data.table import Table, select_attributes, settle
from mtl.errors import UserError
from mtl.record import locks

SOURCES = ("faces", "celeba")


class DataSettings(NamedTuple):
    """What data, and how it is prepared: `config.data`, see configs/default.py."""

    name: str
    root: Path
    attributes: tuple[str, ...]
    image_size: int
    crop: str
    flip: bool
    max_shift: int
    on_bad_image: str
    cache: Path
    num_workers: int
    num_faces: int
    faces_seed: int
    label_noise: float
    label_fractions: tuple[str, ...]


def load_table(data: DataSettings) -> Table:
    """Reads the table with all its attributes, from lists or, where there are none, from parquet files.

    Drawn faces are drawn first if they are not there.

    Raises:
      UserError: for whatever is wrong with the files.
    """
    if data.name == "celeba":
        files = [] if find_lists(data.root) else find_files(data.root)
        return read_parquet(data.root, files) if files else read_table(data.root)
    if data.num_faces < 10:
        raise UserError(f"num_faces is {data.num_faces}; draw at least 10, so that every split has some", "num_faces")
    if not 0.0 <= data.label_noise <= 1.0:
        raise UserError(f"label_noise is {data.label_noise:g}; it must lie in [0, 1]", "label_noise")
    # A folder for each set of faces, so that other settings never meet old files.
    folder = data.root / f"v{VERSION}_{data.num_faces}_seed{data.faces_seed}_noise{data.label_noise:g}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locks.wait_for(folder.with_name(f"{folder.name}.lock")):
            if not folder.exists():
                write_faces(folder, data.num_faces, data.faces_seed, data.label_noise, data.num_workers)
    return read_table(folder)


def chosen_attributes(data: DataSettings, table: Table) -> tuple[str, ...]:
    """The attributes that are named; ("all",) means every one that the files have."""
    return table.attributes if data.attributes == ("all",) else data.attributes


def load_pack(data: DataSettings) -> Pack:
    """Reads the table, keeps the chosen attributes, hides labels where that is asked for, and opens the pixels."""
    table = load_table(data)
    chosen = settle(select_attributes(table, chosen_attributes(data, table)))
    return open_pack(
        hide_labels(chosen, data.label_fractions),
        data.image_size,
        data.crop,
        data.cache,
        data.on_bad_image,
        data.num_workers,
    )
