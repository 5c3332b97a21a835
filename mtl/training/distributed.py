"""The processes that torchrun started, as a `World`: the one place that calls torch.distributed.

gloo on a CPU, NCCL on CUDA. Without torchrun nothing of it is used.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous
from torch.utils._pytree import tree_map

from mtl.errors import UserError
from mtl.linalg import laid_out
from mtl.methods.base import AnyMethod
from mtl.training.networks import find_device
from mtl.training.settings import TrainSettings
from mtl.world import ALONE, World

TIMEOUT = timedelta(minutes=30)  # the first process may have to wait for others that pack images


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Joins the other processes, if torchrun started some.

    Args:
      device: `train.device`; "auto" and "cuda" are a GPU for each process.

    Raises:
      UserError: if there are more processes on this machine than GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "TORCHELASTIC_RUN_ID" not in os.environ:
        yield ALONE
        return
    on_cuda = find_device(device).type == "cuda"
    if on_cuda:
        torch.cuda.set_device(_own_gpu(device))
    store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    if os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]:
        # torchrun keeps its store when it begins again, with addresses of processes that are gone (pytorch #135712).
        # On several machines the counts may differ, and the store must be another: see docs/distributed.md.
        store = dist.PrefixStore(f"life_{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    backend = "nccl" if on_cuda else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    yield make_world()
    dist.destroy_process_group()


def make_world() -> World:
    """The processes of torch.distributed's default group."""
    rank, size = dist.get_rank(), dist.get_world_size()
    return World(rank, size, slice(rank, None, size), _sum, _gather, _broadcast, _tell)


def check(train: TrainSettings, method: AnyMethod, world: World) -> None:
    """Refuses what a run on several processes cannot be.

    Raises:
      UserError: for such a setting.
    """
    if world.size == 1:
        return
    num_rows = train.batch_size // world.size
    if num_rows * world.size != train.batch_size or num_rows < 2:
        raise UserError(
            f"batch_size is {train.batch_size}, for {world.size} processes together: "
            f"choose a multiple of {world.size}, of at least {2 * world.size}",
            "batch_size",
        )
    if "halves" in method.looks_at and num_rows % 2:
        raise UserError(
            f"this method looks at the halves of a batch, and each of {world.size} processes has {num_rows} images: "
            f"choose a multiple of {2 * world.size} as batch_size",
            "batch_size",
        )
    if train.compile == "on":
        raise UserError("a step that several processes take together is not compiled: leave compile at auto", "compile")


def _own_gpu(device: str) -> int:
    number, num_gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if device not in ("auto", "cuda"):
        raise UserError(f"device is {device!r}, which is one for all processes: leave it at auto", "device")
    if number >= num_gpus:
        raise UserError(
            f"torchrun started more processes here than there are GPUs ({num_gpus}): let it start "
            "no more, or set device to cpu",
            "device",
        )
    return number


@contextmanager
def _together() -> Iterator[None]:
    """Says in one sentence that another process is gone."""
    try:
        yield
    except RuntimeError as error:  # what gloo and NCCL raise
        raise UserError(
            "another process of this run has ended, or did not answer in "
            f"{TIMEOUT.seconds // 60} minutes: see what it says; the same command goes on from the last checkpoint"
        ) from error


def _sum(tensors: Sequence[Tensor]) -> list[Tensor]:
    sizes = [tensor.numel() for tensor in tensors]
    flat_N = tensors[0].new_empty(sum(sizes))
    parts = [part.view(like.shape) for part, like in zip(flat_N.split(sizes), tensors, strict=True)]
    for part, tensor in zip(parts, tensors, strict=True):
        assert tensor.dtype == flat_N.dtype, "one message has one type"
        part.copy_(tensor)
    with _together():
        dist.all_reduce(flat_N)
    return [laid_out(part, like) for part, like in zip(parts, tensors, strict=True)]


def _gather(value: Tensor, dim: int) -> Tensor:
    value = value.contiguous()
    parts = [torch.empty_like(value) for _ in range(dist.get_world_size())]
    with _together():
        dist.all_gather(parts, value)
    return torch.stack(parts, dim + 1).flatten(dim, dim + 1)  # row i of process r is row i P + r of the batch


def _broadcast(tree: Any) -> Any:
    def from_first(tensor: Tensor) -> Tensor:
        sent = tensor.clone(memory_format=torch.contiguous_format)
        dist.broadcast(sent, 0)
        return laid_out(sent, tensor)

    with _together():
        return tree_map(from_first, tree)


def _tell(value: Any) -> Any:
    told = [value]
    with _together():
        dist.broadcast_object_list(told, 0)
    return told[0]
