"""A Ray cluster: a task per run, with the resources it asks for, on whichever node has them.

Every node sees the files of this one under the same paths, and can import mtl.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mtl.errors import UserError, not_installed
from mtl.launchers.queue import Crew, Outcome, Train, attempt, name_all
from mtl.training.settings import RaySettings, RunSettings


@contextmanager
def on_ray(train: Train, asked: RaySettings) -> Iterator[Crew]:
    """The cluster that RAY_ADDRESS names, or the one of this machine, which is started if there is none.

    A task whose process or node dies is begun again, and its run goes on from its checkpoint.

    Args:
      train: a function of a module, or a partial of one: each node imports it.
      asked: what a run asks of the cluster.

    Raises:
      UserError: if Ray is not installed, or its cluster does not answer.
    """
    try:
        import ray
    except ImportError as error:
        raise not_installed("runs are sent to a cluster", "Ray", "ray") from error
    address = os.environ.get("RAY_ADDRESS", "")
    _check_address(address)
    try:
        ray.init()
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"the Ray cluster {address or 'of this machine'} cannot be used: {reason}") from error
    task = ray.remote(_attempt_there).options(**asked._asdict())
    at_work: dict[Any, RunSettings] = {}

    def start(run: RunSettings) -> None:
        at_work[task.remote(train, run, Path.cwd(), asked)] = run

    def collect() -> tuple[RunSettings, Outcome]:
        (ended,), _ = ray.wait([*at_work], num_returns=1)
        run = at_work.pop(ended)
        try:
            return run, ray.get(ended)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            reason = str(error).strip().partition("\n")[0]
            return run, UserError(f"Ray gave {name_all([run])} up, and the same command goes on with it: {reason}")

    try:
        yield Crew(sys.maxsize, start, collect)
    finally:
        ray.shutdown()  # ends what is under way, too


def _check_address(address: str) -> None:
    """Looks whether anybody answers there: Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # "auto", or none: Ray looks on this machine
    try:
        socket.create_connection((host, int(port)), timeout=10.0).close()
    except OSError as error:
        raise UserError(
            f"no Ray cluster answers at {address} ({error.strerror or error}): set RAY_ADDRESS to that of its head "
            "node, or unset it for one of this machine"
        ) from error


def _attempt_there(train: Train, run: RunSettings, folder: Path, asked: RaySettings) -> Outcome:
    torch.set_num_threads(asked.num_cpus)  # the same on every node: bits depend on it
    if asked.num_gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # else a node shows all its GPUs to whoever asked for none
    try:
        os.chdir(folder)  # paths of the configuration may be relative to it
    except OSError as error:
        return UserError(f"a node of the Ray cluster does not see {folder} ({error.strerror}): put it on a shared disk")
    return attempt(train, run)
