"""JSON of a file that anybody may have written: one object, or one sentence that says what is wrong with the file."""

import json
from pathlib import Path
from typing import Any

from mtl.errors import UserError


def parse_object(path: Path, text: bytes) -> dict[str, Any]:
    """The object that a text in UTF-8 holds, each name in it once.

    Args:
      path: of the file, for the sentence.
      text: of a length that is known to be harmless.

    Raises:
      UserError: if it is something else.

    Example:
      >>> parse_object(Path("config.json"), b'{"format": 1}')
      {'format': 1}
      >>> parse_object(Path("config.json"), b'{"format": 1, "format": 2}')
      Traceback (most recent call last):
      mtl.errors.UserError: config.json is damaged ('format' stands there twice): get a whole copy of it
    """
    try:
        value = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError:
        raise damaged(path, "its JSON is nested without end") from None
    except ValueError as error:  # no UTF-8, no JSON, a name twice, NaN, a number of thousands of digits
        raise damaged(path, str(error)) from error
    if not isinstance(value, dict):
        raise damaged(path, "its JSON is no object")
    return value


def damaged(path: Path, reason: str) -> UserError:
    """The sentence on a file that is not what it should be.

    Example:
      >>> print(damaged(Path("model.safetensors"), "it was cut short"))
      model.safetensors is damaged (it was cut short): get a whole copy of it
    """
    return UserError(f"{path} is damaged ({reason}): get a whole copy of it")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
