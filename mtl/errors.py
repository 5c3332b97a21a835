"""What a user's mistake raises, and the names that somebody may have meant."""

import difflib
import errno
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MAX_SHOWN = 100  # letters of a value in a sentence


class UserError(ValueError):
    """A mistake in what a function was given or in the data, said in one sentence: what is wrong, where, what to do.

    The library's sentences know nothing of the command. `mtl.cli` adds the field that `argument` was read from, prints
    them and exits with code 2, without a traceback. Broken invariants of our own code are `assert`s instead.

    Args:
      sentence: in the words of the function's own arguments.
      argument: name of what was given wrongly, where the configuration has a field of that name.
    """

    def __init__(self, sentence: str, argument: str | None = None) -> None:
        super().__init__(sentence)
        self.argument = argument


def check_choice(argument: str, value: object, choices: Iterable[str]) -> None:
    """Refuses what is none of the choices.

    Raises:
      UserError: with the value, those closest to it and all there are.

    Example:
      >>> check_choice("optimizer", "adam", ("adamw", "sgd"))
      Traceback (most recent call last):
      mtl.errors.UserError: optimizer is 'adam', closest to adamw; choose one of adamw, sgd
    """
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        near = closest(value if isinstance(value, str) else "", choices)
        raise UserError(f"{argument} is {shown(value)}, {near}", argument)


def shown(value: Any) -> str:
    """A value as a sentence shows it: in one line, and not for ever.

    Example:
      >>> shown(10**400), shown((1, "a"))
      ('beyond 1e30', "(1, 'a')")
    """
    if isinstance(value, int) and abs(value) > 1e30:  # it may have more digits than Python writes
        return "beyond 1e30"
    try:
        written = " ".join(repr(value).split())
    except ValueError:  # such a number within
        written = f"a {type(value).__name__}"
    return written if len(written) <= MAX_SHOWN else f"{written[:MAX_SHOWN]}... ({len(written)} letters)"


def closest(name: object, names: Iterable[str]) -> str:
    """What to say after a name that is none of `names`: those closest to it, if any is close, and all of them.

    Example:
      >>> print(closest("cagard", ("joint", "cagrad")))
      closest to cagrad; choose one of joint, cagrad
      >>> print(closest("?", ("joint", "cagrad")))
      none of the names there are; choose one of joint, cagrad
    """
    names = tuple(names)
    near = difflib.get_close_matches(str(name), names)
    which = f"closest to {', '.join(near)}" if near else "none of the names there are"
    return f"{which}; choose one of {', '.join(names)}"


def closest_of_many(name: str, names: Iterable[str], number: int = 3) -> list[str]:
    """The `number` names that are closest to it, however far: where all of them would be too many to say.

    Example:
      >>> closest_of_many("resnet", ("vgg16", "resnet18", "resnet50", "vit_b_16"), number=2)
      ['resnet50', 'resnet18']
    """
    return difflib.get_close_matches(name, list(names), n=number, cutoff=0.0)


def not_installed(what: str, package: str, extra: str = "report") -> UserError:
    """The sentence on a package of an extra that is missing.

    Example:
      >>> print(not_installed("the video is encoded", "PyAV"))
      the video is encoded with PyAV, which is not installed: in the clone, run .venv/bin/pip install -e '.[report]'
    """
    return UserError(
        f"{what} with {package}, which is not installed: in the clone, run .venv/bin/pip install -e '.[{extra}]'"
    )


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, a quota, a limit on the length of files
IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


def not_written(path: Path, error: OSError) -> UserError:
    """The sentence on a file or folder that cannot be written.

    Example:
      >>> print(not_written(Path("out/report.pdf"), OSError(errno.ENOSPC, "No space left on device")))
      out/report.pdf cannot be written (No space left on device): make room, and give the same command again
    """
    remedy = "see to it that it can be"
    if error.errno in NO_ROOM:
        remedy = "make room"
    elif error.errno in IN_THE_WAY:
        remedy = "move away what has its name, or that of a folder above it"
    return UserError(f"{path} cannot be written ({error.strerror or error}): {remedy}, and give the same command again")


def printable(text: str) -> str:
    """The text with a backslash for each character that writes nothing: line ends, escapes, bytes that are no UTF-8.

    Example:
      >>> printable("a\\nb.jpg"), printable("café\\udcff.jpg")
      ('a\\\\nb.jpg', 'café\\\\udcff.jpg')
    """
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in ("Cc", "Cs") else character
        for character in text
    )
