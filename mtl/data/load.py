"""The configuration's data, from whichever files: a pack with the chosen attributes."""

from pathlib import Path

from ml_collections import ConfigDict

from mtl import locks
from mtl.data.celeba import Table, read_table, select_attributes
from mtl.data.faces import VERSION, write_faces
from mtl.data.hide import hide_labels
from mtl.data.pack import Pack, open_pack
from mtl.errors import UserError
from mtl.names import split_names


def load_table(data: ConfigDict) -> Table:
    """Reads the table of `config.data` with all its attributes; drawn faces are drawn first if they are not there.

    Raises:
      UserError: for an unknown data.name, a data.root that is not set, and whatever is wrong with the files.
    """
    if data.name == "celeba":
        if not data.root:
            raise UserError("data.root is not set: give the folder of CelebA's files, --config.data.root=DIR")
        return read_table(Path(data.root).expanduser())
    if data.name != "faces":
        raise UserError(f"data.name is {data.name!r}; choose faces or celeba")
    if data.num_faces < 10:
        raise UserError(f"data.num_faces is {data.num_faces}; draw at least 10, so that every split has some")
    if not 0.0 <= data.label_noise <= 1.0:
        raise UserError(f"data.label_noise is {data.label_noise:g}; it must lie in [0, 1]")
    # A folder for each set of faces, so that other settings never meet old files.
    folder = (
        Path(data.root).expanduser() / f"v{VERSION}_{data.num_faces}_seed{data.faces_seed}_noise{data.label_noise:g}"
    )
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locks.wait_for(folder.with_name(f"{folder.name}.lock")):
            if not folder.exists():
                write_faces(folder, data.num_faces, data.faces_seed, data.label_noise, data.num_workers)
    return read_table(folder)


def chosen_attributes(data: ConfigDict, table: Table) -> tuple[str, ...]:
    """The names in `data.attributes`; ("all",) means every attribute that the files have."""
    names = split_names(data.attributes)
    return table.attributes if names == ("all",) else names


def load_pack(data: ConfigDict) -> Pack:
    """Reads the table, keeps the chosen attributes, hides labels where that is asked for, and opens the pixels."""
    table = load_table(data)
    chosen = select_attributes(table, chosen_attributes(data, table))
    return open_pack(
        hide_labels(chosen, split_names(data.label_fractions)),
        data.image_size,
        data.crop,
        Path(data.cache).expanduser(),
        data.on_bad_image,
        data.num_workers,
    )
