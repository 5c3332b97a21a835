"""Which column of a parquet file holds what: the hub's data sets agree on little."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtl.data.published import PUBLISHED
from mtl.errors import UserError, closest_of_many

IDS = ("image_id", "file_name", "filename", "image_name")
IDENTITIES = ("celeb_id", "identity", "identity_id", "celebrity_id", "person_id")
SPLIT_COLUMNS = ("split", "partition", "subset")
VECTORS = ("attributes", "attrs", "attr", "labels")  # of all 40 labels, in CelebA's order
NAMES = {name.lower(): name for name in PUBLISHED}


class Columns(NamedTuple):
    """Names of columns, `a.b` for what lies in a struct; None for what a file does not have."""

    image: str  # bytes of the image's file
    path: str | None  # what that file was called
    id: str | None
    identity: str | None
    split: str | None
    labels: tuple[str, ...]  # a column for each attribute, or one for all of them
    attributes: tuple[str, ...]  # names, as CelebA spells them where it has them

    def beside_images(self) -> list[str]:
        """All but the images."""
        return [name for name in (self.path, self.id, self.identity, self.split, *self.labels) if name is not None]


def find_columns(path: Path, schema: Any) -> Columns:
    """Finds the columns by their names, in any case, and by their types.

    Args:
      path: of the file.
      schema: what pyarrow says of its columns.

    Raises:
      UserError: if there are no images or no attributes among them.
    """
    types = dict(_leaves(schema))
    by_name = {_plain(column): column for column in types}
    images = [column for column, type_ in types.items() if _is_bytes(type_)]
    if not images:
        raise _no_column(path, "no images, which are a column of bytes such as image", "image", [*types])
    image = next((column for column in images if column.partition(".")[0].lower() == "image"), images[0])
    labels = {_plain(column): column for column, type_ in types.items() if _is_attribute(column, type_)}
    lists = [by_name[name] for name in VECTORS if name in by_name and _is_list(types[by_name[name]])]
    if not labels and not lists:
        raise _no_column(path, "no column of an attribute such as Smiling, nor a list of all 40", "smiling", [*types])
    in_list = bool(lists) and not NAMES.keys() & labels.keys()
    names = [*(name for name in NAMES if name in labels), *(name for name in labels if name not in NAMES)]
    path_column = f"{image.rpartition('.')[0]}.path"
    return Columns(
        image=image,
        path=path_column if path_column in types else None,
        id=_first_of(IDS, by_name),
        identity=_first_of(IDENTITIES, by_name),
        split=_first_of(SPLIT_COLUMNS, by_name),
        labels=(lists[0],) if in_list else tuple(labels[name] for name in names),
        attributes=tuple(PUBLISHED) if in_list else tuple(NAMES.get(name, labels[name]) for name in names),
    )


def refuse_other_columns(path: Path, columns: Columns, first: Path, expected: Columns) -> None:
    """Refuses a file that has other columns than the first one.

    Raises:
      UserError: with the name of one that is missing, and those closest to it.
    """
    there, wanted = ({each.image, *each.beside_images()} for each in (columns, expected))
    for one, other, missing, names in ((path, first, wanted - there, there), (first, path, there - wanted, wanted)):
        if missing:
            name = min(missing)
            raise UserError(
                f"{one} has no column {name}, which {other.name} has; closest to it are "
                f"{', '.join(closest_of_many(name, sorted(names)))}: take all files from one place."
            )


def _leaves(fields: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The columns and their types, those inside structs one by one."""
    from pyarrow import types

    for field in fields:
        if types.is_struct(field.type):
            yield from _leaves(list(field.type), f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, field.type


def _plain(column: str) -> str:
    """What a column's name says, whatever its spelling."""
    return column.rpartition(".")[2].lower().replace(" ", "_").replace("-", "_")


def _is_bytes(type_: Any) -> bool:
    from pyarrow import types

    return types.is_binary(type_) or types.is_large_binary(type_)


def _is_list(type_: Any) -> bool:
    from pyarrow import types

    return types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_)


def _is_attribute(column: str, type_: Any) -> bool:
    from pyarrow import types

    return types.is_boolean(type_) or (_plain(column) in NAMES and not _is_list(type_))


def _first_of(names: Sequence[str], by_name: dict[str, str]) -> str | None:
    return next((by_name[name] for name in names if name in by_name), None)


def _no_column(path: Path, what: str, name: str, columns: list[str]) -> UserError:
    near = ", ".join(closest_of_many(name, columns)) or "none at all"
    return UserError(f"{path} has {what}: of its columns those closest to that are {near}.")
