"""What is laid out is read by torchvision's data set and by ours, with the same images and labels."""

from pathlib import Path

import numpy as np
import torch
from ml_collections import ConfigDict

from mtl.bench import textbook
from mtl.bench.official import lay_out_images
from mtl.config.read import read_data
from mtl.data.celeba import read_table
from mtl.data.image_files import read_image


def test_both_read_the_same(config: ConfigDict, tmp_path: Path) -> None:
    data = lay_out_images(read_data(config), tmp_path / "images", 20)
    given, ours = read_table(Path(config.data.root)), read_table(data.root)
    rows = [given.ids.tolist().index(name) for name in ours.ids]
    assert len(rows) == 20
    assert np.array_equal(ours.labels, given.labels[rows])
    assert np.array_equal(ours.split, given.split[rows])
    for split, number in (("train", 0), ("valid", 1), ("test", 2)):
        theirs = textbook.Files(data.root, split, transform=np.asarray)
        names = ours.ids[ours.split == number].tolist()
        assert theirs.filename == names
        assert torch.equal(theirs.attr, torch.from_numpy(ours.labels[ours.split == number]).long())
        for row, name in enumerate(names):
            assert read_image(ours.source, name) == read_image(given.source, name)
            assert theirs[row][0].shape == (10, 8, 3)


def test_no_more_than_there_are(config: ConfigDict, tmp_path: Path) -> None:
    data = lay_out_images(read_data(config), tmp_path / "images", 1_000)
    assert len(read_table(data.root).ids) == 60
