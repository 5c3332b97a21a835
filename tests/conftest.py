"""Fixtures: tiny CelebA files, read by a tiny configuration.

What takes long to import is imported where it is needed: of several processes, the one that only hands tests out to the
others needs none of it.
"""

import gc
from pathlib import Path

import pytest
from ml_collections import ConfigDict


def pytest_collection_finish() -> None:
    """Before the first test of a process that runs tests."""
    import torch

    from tests.accelerator import accelerator

    torch.set_num_threads(1)  # tiny tensors gain nothing from a second thread
    accelerator()  # before the first backward pass of the process, when autograd counts the devices that there are
    gc.freeze()  # what was imported stays: the collector need not look through it again and again


@pytest.fixture(scope="session")
def celeba_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny import write_celeba

    return write_celeba(tmp_path_factory.mktemp("celeba"))


@pytest.fixture
def config(celeba_files: Path) -> ConfigDict:
    from tests.tiny import tiny_config

    return tiny_config(celeba_files, celeba_files.parent / "cache")
