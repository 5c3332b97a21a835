"""The textbook: torchvision's CelebA, a DataLoader with a worker per core, a ResNet-18, Adam at 1e-3, no schedule."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import CelebA

from mtl.bench.handwritten import make_stacked
from mtl.bench.timing import synchronize
from mtl.models.images import IMAGENET_MEAN, IMAGENET_STD

NUM_WORKERS = os.cpu_count() or 1  # as many as cores


class Recipe(NamedTuple):
    """What it trains, and for how long."""

    backbone: str = "resnet18"
    num_epochs: int = 6
    batch_size: int = 64
    image_size: int = 64
    learning_rate: float = 1e-3


class Epoch(NamedTuple):
    """What is known after an epoch.

    Attributes:
      seconds: since training began, earlier validations too.
      accuracy: mean over the tasks, on the validation split.
    """

    seconds: float
    accuracy: float


class Files(CelebA):
    """torchvision's data set of files whose checksums are not the official ones."""

    def _check_integrity(self) -> bool:
        return True


def make_loader(root: Path, split: str, recipe: Recipe, device: torch.device) -> DataLoader:
    """Batches of (images [B, 3, S, S] float32, labels of all attributes [B, K] int64); training ones are shuffled."""
    read = transforms.Compose(
        [
            transforms.Resize((recipe.image_size, recipe.image_size)),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    is_training = split == "train"
    return DataLoader(
        Files(root, split, transform=read),
        recipe.batch_size,
        shuffle=is_training,
        drop_last=is_training,
        num_workers=NUM_WORKERS,
        pin_memory=device.type == "cuda",
    )


def make_trainer(network: nn.Module, learning_rate: float, device: torch.device) -> Callable[[Tensor, Tensor], None]:
    """A step: (images [B, 3, S, S], labels [B, K]) -> nothing; the network is changed."""
    optimizer, loss_of = torch.optim.Adam(network.parameters(), learning_rate), nn.BCEWithLogitsLoss()

    def train(images_BCHW: Tensor, labels_BK: Tensor) -> None:
        optimizer.zero_grad()
        loss_of(network(images_BCHW.to(device)), labels_BK.to(device, torch.float32)).backward()
        optimizer.step()

    return train


def train_epochs(root: Path, columns: list[int], seed: int, recipe: Recipe, device: torch.device) -> Iterator[Epoch]:
    """Trains, and validates after each epoch.

    Args:
      root: of official files.
      columns: of the attributes that are learnt.
    """
    torch.manual_seed(seed)
    began = time.perf_counter()
    training, validation = (make_loader(root, split, recipe, device) for split in ("train", "valid"))
    network = make_stacked(recipe.backbone, len(columns), device)
    train = make_trainer(network, recipe.learning_rate, device)
    for _ in range(recipe.num_epochs):
        network.train()
        for images_BCHW, labels_BK in training:
            train(images_BCHW, labels_BK[:, columns])
        synchronize(device)
        seconds = time.perf_counter() - began
        yield Epoch(seconds, score(network, validation, columns, device))


@torch.no_grad()
def score(network: nn.Module, batches: DataLoader, columns: list[int], device: torch.device) -> float:
    """Mean accuracy over tasks and images."""
    network.eval()
    right = [
        ((network(images_BCHW.to(device)).cpu() > 0) == (labels_BK[:, columns] > 0)).double()
        for images_BCHW, labels_BK in batches
    ]
    return torch.cat(right).mean().item()
