"""Part a: joint and DST steps against the hand-written loop, as one writes it first and at its best."""

from functools import partial
from typing import Any

import torch

from mtl.bench.handwritten import count_operations, make_best_loop, make_loop
from mtl.bench.ours import Case, make_ours
from mtl.bench.rates import Rates, measure
from mtl.bench.settings import BenchSettings, Effort
from mtl.bench.table import Row
from mtl.bench.timing import Contestant, quartiles, ratio, take_turns

LOOP, BEST, JOINT, DST = "hand-written loop", "best hand-written loop", "joint", "DST, every other task dropped"
LEGEND = (
    "The hand-written loop: nn.Module, a list of heads, torch.optim.AdamW. The best: channels-last, one head with K "
    "outputs, AdamW(fused=True). Shares are of the best rate that a 3 x 3 convolution, or a matrix product, reached "
    "here; operations are counted on the hand-written network. Float32, augmentation and optimizer included."
)


def star(backbone: str, image_size: int) -> list[Case]:
    """K at one batch size, and the batch size at one K."""
    varied = ((1, 64), (40, 64), (8, 32), (8, 64), (8, 128), (8, 256))
    return [Case(backbone, num_tasks, batch_size, image_size) for num_tasks, batch_size in varied]


CASES = {
    "short": [
        Case("resnet18", 8, 64, 64),
        Case("resnet18", 1, 32, 64),
        Case("resnet18", 40, 32, 64),
        Case("resnet18", 8, 32, 64),
        Case("resnet18", 8, 64, 32),
        Case("resnet18", 8, 256, 32),
        Case("vgg16", 8, 32, 32),
    ],
    "full": [case for backbone in ("resnet18", "vgg16") for size in (64, 32) for case in star(backbone, size)],
}
EFFORTS = {"short": Effort(seconds=4.0), "full": Effort(num_warmup=3, min_rounds=5, seconds=60.0)}


def run(settings: BenchSettings) -> dict[str, Any]:
    """The rates of the machine, and every case."""
    effort, device = EFFORTS[settings.form], settings.device
    rates = measure(device, Effort(min_rounds=10))
    rows = [row for case in CASES[settings.form] for row in compare(case, device, effort, rates)]
    found: Row = {"best rate of": "matrix products", "GFLOP/s": rates.gemm / 1e9}
    return {
        "legend": LEGEND,
        "tables": {
            "Rates of the machine": [found, {"best rate of": "convolutions", "GFLOP/s": rates.convolution / 1e9}],
            "Training steps": rows,
        },
    }


def compare(case: Case, device: torch.device, effort: Effort, rates: Rates) -> list[Row]:
    """A row for each contestant."""
    contestants = {
        LOOP: Contestant(partial(make_loop, case, device)),
        BEST: Contestant(partial(make_best_loop, case, device)),
        JOINT: Contestant(partial(make_ours, case, device)),
        DST: Contestant(partial(make_ours, case, device, half=True)),
    }
    found = take_turns(contestants, LOOP, device, effort)
    num_operations = count_operations(case, device)
    rows = []
    for name, timed in found.items():
        seconds = quartiles(timed.seconds_R)
        rate = num_operations / seconds["median"]
        rows.append(
            {
                "network": case.backbone,
                "pixels": case.image_size,
                "batch": case.batch_size,
                "K": case.num_tasks,
                "step": name,
                "seconds": seconds,
                "of the loop": ratio(found, name, LOOP, LOOP),
                "of the best loop": ratio(found, name, BEST, LOOP),
                "of joint": ratio(found, name, JOINT, LOOP),
                "images/s": case.batch_size / seconds["median"],
                "share of convolutions' rate": rate / rates.convolution,
                "share of products' rate": rate / rates.gemm,
                "rounds": len(timed.seconds_R),
                "build, s": timed.build_seconds,
                "warm-up and compile, s": timed.warmup_seconds,
            }
        )
    return rows
