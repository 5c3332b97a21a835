"""What one writes first, without us: an nn.Module with a list of heads, torch.optim, loss.backward()."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from mtl.batch import Batch
from mtl.models.images import augment_and_normalize


class Network(NamedTuple):
    """What is written without us, and its optimizer."""

    trunk: nn.Module
    heads: nn.ModuleList
    optimizer: torch.optim.Optimizer


def make_network(batch: Batch) -> Network:
    """ResNet-18 and a linear head per task."""
    trunk = torchvision.models.resnet18()
    trunk.fc = nn.Identity()
    heads = nn.ModuleList(nn.Linear(512, 1) for _ in range(len(batch.labels)))
    both = nn.ModuleList([trunk, heads]).to(batch.inputs.device).train()
    return Network(trunk, heads, torch.optim.AdamW(both.parameters(), lr=1e-3, weight_decay=0.01))


def forward(network: Network, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    """(features [B, D], each task's loss)."""
    features = network.trunk(augment_and_normalize(batch.inputs, batch.augmentation))
    logits = [head(features)[:, 0] for head in network.heads]
    return features, [
        binary_cross_entropy_with_logits(logits_B, labels_B)
        for logits_B, labels_B in zip(logits, batch.labels.values(), strict=True)
    ]


def make_joint(batch: Batch) -> Callable[[], object]:
    """A joint training step: the losses' sum, loss.backward(), optimizer.step()."""
    network = make_network(batch)

    def step() -> object:
        network.optimizer.zero_grad()
        _, losses = forward(network, batch)
        torch.stack(losses).sum().backward()
        return network.optimizer.step()

    return step
