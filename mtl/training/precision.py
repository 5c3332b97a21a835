"""float32 or bfloat16 for the trunk: "auto" takes what is faster here, found by a short measurement.

Half the bytes are half the time where a processor has bfloat16 units, and up to twice the time where it has none. The
choice is a fact about a machine, not about a run, and it changes results by rounding. So it is measured once for a
study and written down beside it; all runs of the study, resumed ones too, take it from there.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp

from mtl.models.model import Model, Params
from mtl.models.precision import PRECISIONS
from mtl.record import files
from mtl.record.paths import PRECISION
from mtl.training import provenance

NUM_ROUNDS = 3


def find_precision(
    wanted: str,
    workdir: Path,
    make: Callable[[str], tuple[Model, Params, dict[str, Tensor]]],
    inputs_shape: tuple[int, ...],
    device: torch.device,
) -> str:
    """The precision of a study's runs: the wanted one, and for "auto" the faster.

    Args:
      wanted: one of `PRECISIONS`, or "auto".
      workdir: of the study, where the measurement is written down, or was.
      make: precision -> the network, on its device.
      inputs_shape: [B, ...] that it reads in a step.
      device: where.
    """
    if wanted != "auto":
        return wanted
    path = workdir / PRECISION
    if not path.is_file():
        found = measure(make, torch.zeros(inputs_shape, device=device))
        print(f"precision: {found['chosen']} (a forward and backward pass: {_in_words(found['seconds'])})", flush=True)
        workdir.mkdir(parents=True, exist_ok=True)
        files.write_json(path, found)
    again = "put a whole copy in its place, or delete it, and it is measured again"
    return files.read_json(path, {"chosen": str}, again)["chosen"]


def measure(make: Callable[[str], tuple[Model, Params, dict[str, Tensor]]], inputs: Tensor) -> dict[str, Any]:
    """Seconds of the trunk's forward and backward pass in each precision, in turns, the least of a few; the faster."""
    passes = {precision: _make_pass(*make(precision), inputs) for precision in PRECISIONS}
    rounds = [{precision: _seconds(run, inputs.device) for precision, run in passes.items()} for _ in range(NUM_ROUNDS)]
    seconds = {precision: min(each[precision] for each in rounds[1:]) for precision in PRECISIONS}  # the first warms up
    return {
        "chosen": min(seconds, key=lambda precision: seconds[precision]),
        "seconds": seconds,
        "device": provenance.device_name(inputs.device),
    }


def _make_pass(model: Model, params: Params, buffers: dict[str, Tensor], inputs: Tensor) -> Callable[[], object]:
    @torch.no_grad()
    def run() -> object:
        features, pull_back = vjp(lambda trunk: model.trunk(trunk, buffers, inputs, True)[0], params.trunk)  # type: ignore[misc]
        return pull_back({tap: torch.ones_like(value) for tap, value in features.items()})

    return run


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _in_words(seconds: dict[str, float]) -> str:
    return ", ".join(f"{precision} {value:.3f} s" for precision, value in seconds.items())
