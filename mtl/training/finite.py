"""Losses, gradients and parameters that are not finite: the step, the tasks and the images, and what is done then.

`train.on_nonfinite` is "stop": the run ends, and its last checkpoint is from before; or "skip": the step is left out,
as if its images had not been there, up to `train.max_skips` times. Which steps these were is in nonfinite.jsonl.
"""

import sys
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_map

from mtl.data.batches import batch_rows
from mtl.errors import UserError
from mtl.record import files
from mtl.record.paths import NONFINITE
from mtl.state import TrainState
from mtl.training.run import Run
from mtl.training.step import norm
from mtl.training.sums import Sums, bad_tasks

SHOWN = 8  # image ids in a sentence


class Bad(NamedTuple):
    """What is not finite.

    Attributes:
      step: counted from 1.
      what: in words.
      tasks: whose loss it is; none for a gradient or a parameter.
    """

    step: int
    what: str
    tasks: tuple[str, ...]


def looks_at_each_step(run: Run) -> bool:
    """On a GPU each look waits for it: there a run that stops looks where it waits anyway, at lines of its log."""
    return run.device.type == "cpu" or run.settings.train.on_nonfinite == "skip"


def find_bad(run: Run, state: TrainState, sums: Sums, step: int, with_parameters: bool) -> Bad | None:
    """The first step of the epoch that was not finite, or the parameters after `step`; None if all is well."""
    if (bad_step := int(sums.bad_step)) >= 0:
        tasks = tuple(task for task, bad in zip(run.model.tasks, bad_tasks(sums), strict=True) if bad)
        return Bad(bad_step, f"the loss of {', '.join(tasks)}" if tasks else "the gradient of the trunk", tasks)
    if with_parameters:
        parts = (state.params.trunk, *state.params.heads.values(), state.buffers)
        norms = [norm([value for value in part.values() if value.is_floating_point()]) for part in parts]
        if not all(torch.isfinite(each) for each in norms):
            return Bad(step, "a parameter", ())
    return None


def check(run: Run, state: TrainState, sums: Sums, step: int) -> None:
    """Stops a run of whose numbers one is not finite.

    Raises:
      UserError: for such a number; before it is raised nonfinite.jsonl says more.
    """
    if bad := find_bad(run, state, sums, step, with_parameters=True):
        stop(run, bad)


def stop(run: Run, bad: Bad, num_skipped: int = 0) -> None:
    """Ends the run.

    Raises:
      UserError: with what is wrong, where, and what to do.
    """
    ids = note(run, bad)
    shown = ", ".join(ids[:SHOWN]) + (f" and {len(ids) - SHOWN} more, see {NONFINITE}" if len(ids) > SHOWN else "")
    skipped = f", and {num_skipped} such steps were skipped before (max_skips)" if num_skipped else ""
    raise UserError(
        f"{bad.what} is not finite in step {bad.step} of {run.folder}, whose images are {shown}{skipped}: lower the "
        'learning rate and start in a new workdir, or set on_nonfinite to "skip" and go on from the last checkpoint, '
        "which is from before",
        "learning_rate",
    )


def skip(run: Run, bad: Bad, num_skipped: int) -> None:
    """Says that a step is left out.

    Raises:
      UserError: if as many were before as may be.
    """
    if num_skipped >= run.settings.train.max_skips:
        stop(run, bad, num_skipped)
    note(run, bad)
    print(f"warning: {run.folder}: step {bad.step} is skipped, since {bad.what} is not finite", file=sys.stderr)


def note(run: Run, bad: Bad) -> list[str]:
    """Writes the line of nonfinite.jsonl, and returns the ids of the step's images."""
    settings, (epochs, number) = run.settings, divmod(bad.step - 1, run.data.num_batches)
    rows = batch_rows(run.data.rows["train"], settings.seed, epochs + 1, settings.train.batch_size, number)
    ids: list[str] = run.data.pack.table.ids[rows].tolist()
    if run.world.rank == 0:
        line = {"epoch": epochs + 1, "step": bad.step, "what": bad.what, "tasks": list(bad.tasks), "images": ids}
        files.append_line(run.folder / NONFINITE, line)
    return ids


def keep(state: TrainState) -> TrainState:
    """The state to go back to: what a step writes over is copied."""
    trunk: Any = tree_map(torch.clone, (state.params.trunk, state.optimizer.trunk))
    return state._replace(
        params=state.params._replace(trunk=trunk[0]), optimizer=state.optimizer._replace(trunk=trunk[1])
    )
