"""Tuples of names as people type them."""

from collections.abc import Iterable


def split_names(values: Iterable[str]) -> tuple[str, ...]:
    """Splits at commas, since `--config.study.methods=joint,dst` arrives as one name.

    Example:
      >>> split_names(("joint,dst", "random_drop"))
      ('joint', 'dst', 'random_drop')
    """
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())
