"""Growing images, and predictions of an image and its mirror image."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mtl.config import read_run
from mtl.errors import UserError
from mtl.models.images import augment_and_normalize, normalize
from mtl.record.files import read_lines
from mtl.record.paths import METRICS
from mtl.training import run as training_run
from mtl.training.measuring import make_predict_step
from tests.tiny import SIZE, fit, make_batch, make_tiny, tiny_config, write_celeba


@pytest.fixture
def config(tmp_path: Path) -> Any:
    return tiny_config(write_celeba(tmp_path / "data"), tmp_path / "cache")


def test_each_epoch_trains_on_its_size(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    at_size = training_run.at_size

    def watched(prepare: Any, size: int) -> Any:
        def watch(*given: Any) -> torch.Tensor:
            images = at_size(prepare, size)(*given)
            if prepare is augment_and_normalize:
                sizes.append(images.shape[-1])
            return images

        return watch

    monkeypatch.setattr(training_run, "at_size", watched)
    config.train.sizes = ("4=2", f"{SIZE}=1")
    fit(config, tmp_path / "study")
    num_batches = read_lines(tmp_path / "study/joint/seed_0" / METRICS)[-1]["step"] // 3
    assert sizes == [4] * (2 * num_batches) + [SIZE] * num_batches


def test_a_grown_run_goes_on_with_the_same_bits(config: Any, tmp_path: Path) -> None:
    config.method, config.train.sizes = "dst", ("4=2", f"{SIZE}=1")
    whole, _ = fit(config, tmp_path / "whole")
    again, _ = fit(config, tmp_path / "whole")  # read back from its checkpoint
    other, _ = fit(config, tmp_path / "other")
    for name, value in whole.params.trunk.items():
        assert torch.equal(value, again.params.trunk[name]) and torch.equal(value, other.params.trunk[name])


@pytest.mark.parametrize("sizes", [("4=2",), ("4=1", "9=2"), ("4",), ("0=3",), ("4=3", "8=1")])
def test_sizes_that_do_not_fit_are_refused(config: Any, sizes: tuple[str, ...]) -> None:
    config.train.sizes = sizes
    with pytest.raises(UserError, match=r"train\.sizes"):
        read_run(config)


def test_mirrored_predictions_are_those_of_both_images() -> None:
    model, params, buffers = make_tiny()
    images = make_batch().inputs
    plain, mirrored = (make_predict_step(model, normalize, mirrored) for mirrored in (False, True))
    one, other = plain(params, buffers, images), plain(params, buffers, images.flip(-1))
    for task, outputs in mirrored(params, buffers, images).items():
        torch.testing.assert_close(outputs, (one[task] + other[task]) / 2)
        assert not torch.equal(outputs, one[task])
