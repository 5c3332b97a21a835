"""The command `mtl`, which is also launch.py: see `mtl.command`."""

import sys
from collections.abc import Sequence

from mtl.command.flags import Command, parse
from mtl.command.jobs import RUN
from mtl.errors import UserError, printable


def main(argv: Sequence[str] | None = None) -> int:
    """Does what a command line says, that of the process if none is given.

    Returns:
      The exit code: 2 for a user's mistake, which is said in one sentence.
    """
    try:
        command = parse(list(sys.argv if argv is None else argv))
        if command is not None:
            do(command)
    except (UserError, OSError) as error:  # OSError: a full disk, a folder that may not be written
        said = "\n".join(map(printable, str(error).split("\n")))  # what a file holds must not steer the terminal
        print(f"mtl: {said}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmtl: stopped; with the same command, training goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def do(command: Command) -> None:
    """Does a job.

    Raises:
      UserError: with the field to change, where there is one.
    """
    try:
        RUN[command.job](command)
    except UserError as error:
        from mtl.config import name_field

        raise name_field(error, command.config) from error


if __name__ == "__main__":
    sys.exit(main())
