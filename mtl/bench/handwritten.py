"""What one writes without us: nn.Module, torch.optim, loss.backward(); as one writes it first, and at its best."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode

from mtl.batch import Batch
from mtl.bench.ours import LEARNING_RATE, WEIGHT_DECAY, Case, make_batch
from mtl.bench.timing import Step
from mtl.models.images import augment_and_normalize


class Trunk(NamedTuple):
    """A network without its last layer.

    Attributes:
      build: makes a module that maps images [B, 3, H, W] to features [B, width].
    """

    build: Callable[[], nn.Module]
    width: int


class Network(NamedTuple):
    """What the loop trains."""

    trunk: nn.Module
    heads: nn.ModuleList
    optimizer: torch.optim.Optimizer


def _resnet18() -> nn.Module:
    trunk = torchvision.models.resnet18()
    trunk.fc = nn.Identity()
    return trunk


def _vgg16() -> nn.Module:
    return nn.Sequential(torchvision.models.vgg16().features, nn.AdaptiveAvgPool2d(1), nn.Flatten())


TRUNKS = {"resnet18": Trunk(_resnet18, 512), "vgg16": Trunk(_vgg16, 512)}


def make_network(case: Case, device: torch.device) -> Network:
    """A trunk and a linear head per task."""
    build, width = TRUNKS[case.backbone]
    trunk, heads = build(), nn.ModuleList(nn.Linear(width, 1) for _ in range(case.num_tasks))
    both = nn.ModuleList([trunk, heads]).to(device).train()
    return Network(trunk, heads, torch.optim.AdamW(both.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY))


def forward(network: Network, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    """(features [B, D], each task's loss)."""
    features = network.trunk(augment_and_normalize(batch.inputs, batch.augmentation))
    logits = [head(features)[:, 0] for head in network.heads]
    return features, [
        binary_cross_entropy_with_logits(logits_B, labels_B)
        for logits_B, labels_B in zip(logits, batch.labels.values(), strict=True)
    ]


def make_loop(case: Case, device: torch.device) -> Step:
    """What one writes first: a list of heads, the losses' sum, loss.backward(), optimizer.step()."""
    network, batch = make_network(case, device), make_batch(case, device)

    def step() -> object:
        network.optimizer.zero_grad()
        _, losses = forward(network, batch)
        torch.stack(losses).sum().backward()
        return network.optimizer.step()

    return step


def make_stacked(backbone: str, num_tasks: int, device: torch.device) -> nn.Module:
    """A trunk and one linear layer with an output per task.

    Example:
      >>> make_stacked("resnet18", 3, torch.device("cpu"))[1]
      Linear(in_features=512, out_features=3, bias=True)
    """
    build, width = TRUNKS[backbone]
    return nn.Sequential(build(), nn.Linear(width, num_tasks)).to(device).train()


def make_best_loop(case: Case, device: torch.device) -> Step:
    """The same at its best: channels-last, one head with K outputs, AdamW(fused=True)."""
    network = make_stacked(case.backbone, case.num_tasks, device)
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    batch = make_batch(case, device)
    labels_BK = torch.stack(list(batch.labels.values()), dim=1)

    def step() -> object:
        optimizer.zero_grad()
        images_BCHW = augment_and_normalize(batch.inputs, batch.augmentation)
        logits_BK = network(images_BCHW.contiguous(memory_format=torch.channels_last))
        (case.num_tasks * binary_cross_entropy_with_logits(logits_BK, labels_BK)).backward()
        return optimizer.step()

    return step


def count_operations(case: Case, device: torch.device) -> int:
    """Floating-point operations of the loop's step in convolutions and matrix products, forward and backward."""
    step = make_loop(case, device)
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
