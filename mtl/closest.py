"""The names that somebody may have meant."""

import difflib
from collections.abc import Iterable


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
