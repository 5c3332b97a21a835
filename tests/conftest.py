"""Fixtures: tiny CelebA files, read by a tiny configuration.

What takes long to import is imported where it is needed: of several processes, the one that only hands tests out to the
others needs none of it.
"""

import gc
import os
from pathlib import Path

import pytest
from ml_collections import ConfigDict

# Before torch and NumPy are imported, here and in what tests start: tiny arrays gain nothing from a second thread.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
gc.disable()  # while all is imported, which stays

TESTS = Path(__file__).parent
# Files that take longest, from there down: a process that began one of them last would let the others wait.
FIRST = (
    *("methods/test_properties.py", "report/test_figures.py", "training/test_loop.py", "report/test_document.py"),
    *("training/test_distributed.py", "gradients/test_sources.py", "training/test_compile.py", "test_launch.py"),
    *("methods/test_choice.py", "training/test_device.py", "report/test_video.py", "launchers/test_local.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {TESTS / name: place for place, name in enumerate(FIRST)}
    assert all(path.is_file() for path in places), "a file of FIRST is gone"
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Before the first test of a process that runs tests."""
    from tests.accelerator import accelerator

    accelerator()  # before the first backward pass of the process, when autograd counts the devices that there are
    gc.freeze()  # what was imported stays: the collector need not look through it again and again
    gc.set_threshold(50_000, 20, 20)  # figures and compilers make many objects, of which most stay as long as they do
    gc.enable()


@pytest.fixture(scope="session")
def celeba_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny import write_celeba

    return write_celeba(tmp_path_factory.mktemp("celeba"))


@pytest.fixture
def config(celeba_files: Path) -> ConfigDict:
    from tests.tiny import tiny_config

    return tiny_config(celeba_files, celeba_files.parent / "cache")
