"""Whether a configuration holds what it may, field by field: see `mtl.config.rules`."""

from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import RequiredValueError

from mtl.config.kinds import plain
from mtl.config.rules import RULES
from mtl.errors import UserError, closest


def check_value(field: str, value: Any) -> None:
    """Refuses what the field does not take.

    Raises:
      UserError: with the field, the value, and what it takes.

    Example:
      >>> check_value("train.epochs", 0)
      Traceback (most recent call last):
      mtl.errors.UserError: train.epochs is 0; choose a whole number in [1, 100000]
    """
    RULES[field](field, value)
    plain(field, value)


def check_values(config: ConfigDict) -> dict[str, Any]:
    """Refuses a configuration with a value that its field does not take, without a field, or with one too many.

    Returns:
      The configuration as plain values, as it goes into config.json.

    Raises:
      UserError: with the field.

    Example:
      >>> from configs.default import get_config
      >>> config = get_config()
      >>> config.train.epochs = 0
      >>> check_values(config)
      Traceback (most recent call last):
      mtl.errors.UserError: train.epochs is 0; choose a whole number in [1, 100000]
    """
    try:
        values = config.to_dict()
    except RequiredValueError as error:
        raise UserError(f"a field that the configuration leaves open has no value: {error}") from error
    fields = dict(_flat("", values))
    for field, value in fields.items():
        if field not in RULES:
            section, _, _ = field.rpartition(".")
            of_section = [name for name in RULES if name.rpartition(".")[0] == section] or RULES
            raise UserError(f"{field} is no field, {closest(field, of_section)}", field)
        check_value(field, value)
    if missing := [field for field in RULES if field not in fields]:
        raise UserError(
            f"the configuration lacks {', '.join(missing)}: let it begin with get_config of configs/default.py"
        )
    return values


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Field -> value, down to the fields that have a rule."""
    for name, value in values.items():
        field = f"{prefix}{name}"
        if field in RULES or not isinstance(value, Mapping):
            yield field, value
        else:
            yield from _flat(f"{field}.", value)
