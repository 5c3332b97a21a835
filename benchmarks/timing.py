"""What the benchmarks of the training step share: a batch, a clock, quartiles."""

import time
from collections.abc import Callable

import numpy as np
import torch

from mtl.data.batches import Batch


def make_batch(num_tasks: int, batch_size: int, image_size: int, device: torch.device) -> Batch:
    """Random pixels and labels; their values do not matter to the time."""
    generator = np.random.default_rng(0)
    shape = (batch_size, num_tasks)
    batch = Batch(
        torch.from_numpy(generator.integers(0, 256, (batch_size, 3, image_size, image_size), dtype=np.uint8)),
        torch.from_numpy(generator.integers(0, 2, shape).astype(np.float32)),
        torch.ones(shape),
        torch.from_numpy(generator.random(batch_size) < 0.5),
        torch.from_numpy(generator.integers(-4, 5, (batch_size, 2))),
        torch.from_numpy(generator.random(num_tasks, dtype=np.float32)),
        torch.tensor(0),
    )
    return Batch(*(tensor.to(device) for tensor in batch))


def seconds(step: Callable[[], object], device: torch.device) -> float:
    """Wall time of one step."""
    began = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def quartiles(values: np.ndarray) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "quartile_1": float(low), "quartile_3": float(high)}
