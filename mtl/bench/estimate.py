"""What a run on all of CelebA would take on a GPU: no measurement, but counted operations and bytes at published peaks.

Each operation of our step takes the longest of three times: its arithmetic at the peak rate, its bytes at the memory's
rate, and the time to start it. They run one after the other, and nothing else is waited for. So this is a floor for the
step uncompiled; a fused one moves fewer bytes. The same sum with this machine's own measured peaks stands beside the
time that it does take, which says how far from such a floor a step ends.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from mtl.bench import rates
from mtl.bench.ours import Case, make_ours
from mtl.bench.settings import Effort
from mtl.bench.table import Row
from mtl.bench.timing import seconds
from mtl.data.published import OFFICIAL_SPLIT

NUM_EPOCHS = 8  # of configs/celeba.py
COPIED = 1 << 28  # bytes, more than caches hold


class Peaks(NamedTuple):
    """Of a device.

    Attributes:
      operations: float32, without tensor cores, per second.
      bytes: of its memory, read and written, per second.
      start: seconds until an operation runs.
    """

    operations: float
    bytes: float
    start: float = 5e-6


GPUS = {  # NVIDIA's data sheets
    "T4": Peaks(8.1e12, 320e9),
    "A100 40 GB": Peaks(19.5e12, 1555e9),
    "H100 SXM": Peaks(67e12, 3350e9),
}


class Operation(NamedTuple):
    """What one call of torch does: arithmetic (a multiplication and an addition are two), and bytes that it touches."""

    operations: int
    bytes: int


class Recorder(TorchDispatchMode):
    """Notes what is called inside it; what only looks at the same memory otherwise counts as nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not func.is_view:
            count = flop_registry.get(func.overloadpacket)
            touched = sum(leaf.nbytes for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor))
            self.found.append(Operation(count(*args, **kwargs, out_val=result) if count else 0, touched))
        return result


def floor(operations: Sequence[Operation], peaks: Peaks) -> float:
    """Seconds that they take at least, one after the other.

    Example:
      >>> floor([Operation(100, 10), Operation(10, 100)], Peaks(operations=10.0, bytes=5.0, start=1.0))
      30.0
    """
    return sum(max(each.operations / peaks.operations, each.bytes / peaks.bytes, peaks.start) for each in operations)


def record(case: Case) -> list[Operation]:
    """The operations of one of our joint steps, on the CPU."""
    step = make_ours(case, torch.device("cpu"))
    step()  # what is made once
    with Recorder() as recorder:
        step()
    return recorder.found


def measure_peaks(device: torch.device, effort: Effort) -> Peaks:
    """This machine's: matrix products, and a copy of more than its caches hold."""
    source = torch.zeros(COPIED // 4, device=device)
    target = torch.empty_like(source)
    copying = min(seconds(lambda: target.copy_(source), device) for _ in range(1 + effort.min_rounds))
    return Peaks(rates.measure(device, effort).gemm, 2 * COPIED / copying, start=0.0)


def estimate(cases: Sequence[Case], effort: Effort) -> list[Row]:
    """For each case a row for this machine, and one for each GPU."""
    cpu = torch.device("cpu")
    here = measure_peaks(cpu, effort)
    return [row for case in cases for row in _rows(case, effort, cpu, here)]


def _rows(case: Case, effort: Effort, cpu: torch.device, here: Peaks) -> list[Row]:
    operations, step = record(case), make_ours(case, cpu)
    measured = [seconds(step, cpu) for _ in range(effort.num_warmup + effort.min_rounds)][effort.num_warmup :]
    return [
        _row("this processor", operations, here, case) | {"measured, ms": 1e3 * min(measured)},
        *(_row(f"{name}, never run", operations, peaks, case) for name, peaks in GPUS.items()),
    ]


def _row(name: str, operations: Sequence[Operation], peaks: Peaks, case: Case) -> Row:
    step = floor(operations, peaks)
    of_an_image = step / case.batch_size
    # A forward pass is a third of a step's arithmetic.
    epoch = OFFICIAL_SPLIT["train"] + OFFICIAL_SPLIT["valid"] / 3
    whole = of_an_image * (NUM_EPOCHS * epoch + OFFICIAL_SPLIT["test"] / 3)
    return {
        "device": name,
        "batch": case.batch_size,
        "GFLOP/s": peaks.operations / 1e9,
        "GB/s": peaks.bytes / 1e9,
        "step at least, ms": 1e3 * step,
        "measured, ms": None,
        "images/s at most": 1.0 / of_an_image,
        "an epoch, s": OFFICIAL_SPLIT["train"] * of_an_image,
        f"{NUM_EPOCHS} epochs with validation and test, min": whole / 60.0,
    }
