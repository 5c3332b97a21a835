"""The network in the box: small, loadable, and as good on the subset's test images as its card says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.command.configurations import PRETRAINED
from mtl.data.celeba import read_table
from mtl.data.pack import open_pack
from mtl.data.table import SPLITS, select_attributes, take_rows
from mtl.trained.folder import load_model
from mtl.trained.module import to_module

ROOT = Path(__file__).parents[2]
REAL = ROOT / "../shared/data/celeba"
MOST_BYTES = 6_000_000


def test_it_is_small_and_beside_it_stands_how_it_came_about() -> None:
    assert PRETRAINED == ROOT / "artifacts/pretrained"
    assert sum(path.stat().st_size for path in PRETRAINED.glob("*.*")) < MOST_BYTES
    trained = json.loads((PRETRAINED / "config.json").read_text())["trained"]
    assert not trained["revision"].endswith("-dirty")


def test_it_has_an_answer_for_each_of_the_40_attributes() -> None:
    loaded = load_model(PRETRAINED)
    size = loaded.settings.image_size
    with torch.no_grad():
        probabilities_BK = to_module(loaded)(torch.full((2, 3, size, size), 128, dtype=torch.uint8))
    assert probabilities_BK.shape == (2, 40)
    assert ((probabilities_BK > 0) & (probabilities_BK < 1)).all()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real images of ../shared/data/celeba are not on this machine")
def test_on_real_faces_it_is_right_as_often_as_its_results_say(tmp_path: Path) -> None:
    loaded = load_model(PRETRAINED)
    table = select_attributes(read_table(REAL), loaded.settings.tasks)
    table = take_rows(table, np.flatnonzero(table.split == SPLITS.index("test")))
    pack = open_pack(table, loaded.settings.image_size, loaded.settings.crop, tmp_path)
    with torch.no_grad():
        batches = [to_module(loaded)(torch.from_numpy(images.copy())) for images in np.array_split(pack.images_NCHW, 8)]
    right_NK = (torch.cat(batches).numpy() > 0.5) == table.labels
    said = json.loads((PRETRAINED / "run/results.json").read_text())["test"]["overall_accuracy"]
    assert right_NK.mean() == pytest.approx(said, abs=1e-3)  # half precision changes a decision now and then
