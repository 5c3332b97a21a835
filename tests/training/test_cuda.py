"""A GPU computes what the CPU computes; without one, these are skipped."""

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_map

from mtl.methods import METHODS
from mtl.methods.base import first_state
from mtl.optim import adamw, make_schedule
from mtl.training.step import init_state
from tests.gradients.test_sources import ALL_SOURCES
from tests.methods.properties import sequence
from tests.tiny import TASKS, make_batch, make_gates, make_tiny, make_train_step

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def assert_close(on_cpu: Any, on_gpu: Any) -> None:
    tree_map(lambda a, b: torch.testing.assert_close(a, b.cpu(), rtol=1e-3, atol=1e-4), on_cpu, on_gpu)


def to(tree: Any, device: torch.device) -> Any:
    return tree_map(lambda tensor: tensor.to(device), tree)


@pytest.mark.parametrize("name", METHODS)
def test_every_method(name: str) -> None:
    method = METHODS[name]()
    on_cpu, on_gpu = (to(first_state(method, 4, device, 6), device) for device in (CPU, GPU))
    for observation in sequence(seed=1, num_tasks=4, gated=True):
        single = tree_map(lambda x: x.float() if x.is_floating_point() else x, observation)
        weights_K, on_cpu = method.update(on_cpu, single)
        others_K, on_gpu = method.update(on_gpu, to(single, GPU))
        assert others_K.is_cuda
        assert_close(weights_K, others_K)


@pytest.mark.parametrize("name", ALL_SOURCES)
def test_every_source(name: str) -> None:
    """On the GPU tasks are pulled back in chunks under vmap."""
    model, params, buffers = make_tiny()
    method, source = ALL_SOURCES[name](model)
    step = make_train_step(model, adamw(), make_schedule("constant", 0.01, 1, 0), method, source)
    arguments = (
        init_state(model, params, buffers, adamw(), method),
        make_batch(num_images=6),
        make_gates(TASKS, True, False, True),
    )
    assert_close(step(*arguments), step(*to(arguments, GPU)))
