"""What `data.tasks` says: which tasks there are, and of which kind."""

from collections.abc import Sequence
from typing import NamedTuple

from mtl.data.table import refuse_twice
from mtl.errors import UserError, closest
from mtl.kinds import Kind

KINDS = ("binary", "classes", "regression")


class Entry(NamedTuple):
    """One task that is wanted."""

    name: str
    kind: Kind | None = None  # None is found
    columns: tuple[str, ...] = ()  # binary columns that are its classes, where it is made of some


def parse_entries(entries: Sequence[str]) -> list[Entry]:
    """What `name`, `name=kind`, `name=classes:A|B|C`, `name=binary:absent|present` and `name=column|column` say.

    Raises:
      UserError: for an entry of another form, and a name that occurs twice.

    Example:
      >>> parse_entries(["age=regression", "Hair=Black_Hair|Gray_Hair"])[1]
      Entry(name='Hair', kind=None, columns=('Black_Hair', 'Gray_Hair'))
      >>> parse_entries(["size=classes:small|large"])[0].kind.classes
      ('small', 'large')
    """
    parsed = [_parse(entry) for entry in entries]
    if parsed:
        refuse_twice([entry.name for entry in parsed], "tasks", "tasks")
    return parsed


def _parse(entry: str) -> Entry:
    name, has_kind, rest = (part.strip() for part in entry.partition("="))
    if not has_kind:
        return Entry(name)
    kind, _, listed = rest.partition(":")
    if kind not in KINDS and "|" in rest:
        return Entry(name, columns=_names(entry, rest))
    if kind not in KINDS:
        raise UserError(f"tasks has {entry!r}, and {kind!r} is no kind, {closest(kind, KINDS)}", "tasks")
    if not listed:
        return Entry(name, Kind(kind))
    classes = _names(entry, listed)
    if kind == "regression" or (kind == "binary" and len(classes) != 2):
        raise UserError(f"tasks has {entry!r}; a regression has no names, and binary has two, absent|present", "tasks")
    return Entry(name, Kind(kind, classes))


def _names(entry: str, listed: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in listed.split("|"))
    if len({*names}) < len(names) or len(names) < 2 or not all(names):
        raise UserError(f"tasks has {entry!r}; name two or more, each once, with | between them", "tasks")
    return names
