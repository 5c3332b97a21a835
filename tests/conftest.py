"""Fixtures: tiny CelebA files, read by a tiny configuration."""

from pathlib import Path

import pytest
import torch
from ml_collections import ConfigDict

from tests.accelerator import accelerator
from tests.tiny import tiny_config, write_celeba

torch.set_num_threads(1)  # tiny tensors gain nothing from a second thread
accelerator()  # before the first backward pass of the process, when autograd counts the devices that there are


@pytest.fixture(scope="session")
def celeba_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_celeba(tmp_path_factory.mktemp("celeba"))


@pytest.fixture
def config(celeba_files: Path) -> ConfigDict:
    return tiny_config(celeba_files, celeba_files.parent / "cache")
