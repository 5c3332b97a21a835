"""The command `mtl`, which is also launch.py: see `mtl.command`."""

import os
import signal
import sys
from collections.abc import Sequence

from mtl.command.flags import Command, parse
from mtl.command.jobs import RUN
from mtl.errors import UserError, printable
from mtl.processes.stopping import Stopped, listening

READER_GONE = 128 + signal.SIGPIPE  # as shells have it for a command before `| head`


def main(argv: Sequence[str] | None = None) -> int:
    """Does what a command line says, that of the process if none is given.

    Returns:
      The exit code: 2 for a user's mistake, which is said in one sentence; 75 after SIGTERM, and 130 after Ctrl-C:
        the same command goes on.
    """
    try:
        with listening(signal.SIGINT, signal.SIGTERM):
            command = parse(list(sys.argv if argv is None else argv))
            if command is not None:
                do(command)
            sys.stdout.flush()
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):  # what they still hold goes nowhere, instead of failing at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return READER_GONE
    except (UserError, OSError) as error:  # OSError: a full disk, a folder that may not be written
        said = "\n".join(map(printable, str(error).split("\n")))  # what a file holds must not steer the terminal
        print(f"mtl: {said}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        name = signal.Signals(stopped.number).name
        print(f"\nmtl: stopped by {name}; the same command goes on from where it was", file=sys.stderr)
        return stopped.exit_code
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
