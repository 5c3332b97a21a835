"""A network and a setting small enough to benchmark in a test."""

from pathlib import Path

import torch
from ml_collections import ConfigDict
from torch import nn

from mtl.bench.handwritten import Trunk
from mtl.bench.ours import Case
from mtl.bench.settings import BenchSettings, Effort
from mtl.config import read_bench
from tests.tiny import SIZE, TinyNet

CPU = torch.device("cpu")
CASE = Case("tiny", num_tasks=3, batch_size=4, image_size=SIZE)
ONCE = Effort(num_warmup=1, min_rounds=1)


def build() -> nn.Module:
    """The network of `tests.tiny`, without its last layer."""
    trunk = TinyNet()
    trunk.fc = nn.Identity()
    return trunk


TRUNK = Trunk(build, 6)


def settings(config: ConfigDict, folder: Path, parts: str) -> BenchSettings:
    """The short form of these parts on tiny files, with the tiny configuration as the recipe."""
    config.bench.parts, config.bench.folder = (parts,), str(folder)
    return read_bench(config, config.copy_and_resolve_references())
