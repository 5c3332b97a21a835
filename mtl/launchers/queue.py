"""Every run of a study once, by whoever trains.

A run holds its folder while it is trained, so a run that is under way elsewhere answers with `InUse`, and is asked for
again later: by then it is finished, or it is free since the process that had it died, and goes on from its checkpoint.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from mtl.errors import UserError
from mtl.record.locks import InUse
from mtl.training.settings import RunSettings, needed_run

SECONDS = 1.0  # between two looks at runs that other processes have

Results = dict[str, Any]  # what results.json of a run holds
Train = Callable[[RunSettings], Results]  # trains what is missing of a run; it is sent to other processes
Outcome = Results | UserError | OSError


class Crew(NamedTuple):
    """Who trains.

    Attributes:
      size: how many runs at once.
      start: gives it a run.
      collect: waits for the first that ends of those it was given, and returns it with what came of it.
    """

    size: int
    start: Callable[[RunSettings], None]
    collect: Callable[[], tuple[RunSettings, Outcome]]


def attempt(train: Train, run: RunSettings) -> Outcome:
    """Trains a run; a user's mistake is returned, so that it comes whole from other processes and machines."""
    try:
        return train(run)
    except (UserError, OSError) as error:
        return error


def train_all(runs: Sequence[RunSettings], crew: Crew, waits: bool) -> Iterator[Results]:
    """The results of all runs, in the order in which they end.

    Args:
      runs: those that none of them needs first are started first, in this order.
      crew: who trains.
      waits: for runs that other processes train; else they are left out, and so is what needs them.

    Raises:
      UserError, OSError: what the first run that failed raised; runs that are under way are then given up.
    """
    todo, at_work, in_use = [*runs], list[RunSettings](), list[RunSettings]()
    said = False
    while todo or at_work or in_use:
        for run in startable(todo, [*todo, *at_work, *in_use])[: crew.size - len(at_work)]:
            todo.remove(run)
            at_work.append(run)
            crew.start(run)
        if at_work:
            run, outcome = crew.collect()
            at_work.remove(run)
            if isinstance(outcome, InUse):
                in_use.append(run)
                continue
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome
        elif not waits:
            return
        else:
            if not said:
                print(f"waiting for other processes, which train {name_all(in_use)}", file=sys.stderr)
            said = True
            time.sleep(SECONDS)
        todo, in_use = [*todo, *in_use], []


def startable(todo: Sequence[RunSettings], unfinished: Sequence[RunSettings]) -> list[RunSettings]:
    """The runs that wait for none of the unfinished ones."""
    names = {(run.name, run.seed) for run in unfinished}
    return [run for run in todo if needed_run(run) not in names]


def name_all(runs: Sequence[RunSettings]) -> str:
    """Runs in words: `joint (seed 0), dst (seed 1)`."""
    return ", ".join(f"{run.name} (seed {run.seed})" for run in runs)
