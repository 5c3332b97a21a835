"""A part of a study's runs for each of several commands, such as the tasks of a Slurm array."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from mtl.errors import UserError
from mtl.training.settings import RunSettings, needed_run


class Shard(NamedTuple):
    """The `number`-th of `of` parts, counted from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse_shard(text: str) -> Shard:
    """Reads what --shard is given.

    Raises:
      UserError: for anything but i/n with 1 <= i <= n.

    Example:
      >>> parse_shard("2/8")
      Shard(number=2, of=8)
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"shard is {text!r}, which is none: the third of eight is 3/8, and the first is 1/8")
    return Shard(int(match[1]), int(match[2]))


def in_shard(runs: Sequence[RunSettings], shard: Shard) -> list[RunSettings]:
    """The runs of one shard, in order. A run is in the shard of the one that it needs, so no shard waits for another.

    The longest chains are dealt out first, each to the shard with the fewest runs so far.
    """
    chains: dict[tuple[str, int], list[int]] = {}
    for position, run in enumerate(runs):
        chains.setdefault(needed_run(run) or (run.name, run.seed), []).append(position)
    parts: list[list[int]] = [[] for _ in range(shard.of)]
    for chain in sorted(chains.values(), key=len, reverse=True):
        min(parts, key=len).extend(chain)
    return [runs[position] for position in sorted(parts[shard.number - 1])]
