"""What a user's mistake raises."""


class UserError(Exception):
    """A mistake in the command, the configuration or the data, said in one sentence.

    The sentence says what is wrong, where, and what to do. `mtl.cli` prints it and exits with code 2, without a
    traceback. Broken invariants of our own code are `assert`s instead.
    """


def not_installed(what: str, package: str) -> UserError:
    """The sentence on a package of the extra [report] that is missing.

    Example:
      >>> print(not_installed("the video is encoded", "PyAV"))
      the video is encoded with PyAV, which is not installed: in the clone, run .venv/bin/pip install -e '.[report]'
    """
    return UserError(
        f"{what} with {package}, which is not installed: in the clone, run .venv/bin/pip install -e '.[report]'"
    )
