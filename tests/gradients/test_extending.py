"""What DST's metrics of ours see in a step, against gradients taken one by one."""

import pytest
import torch
from torch.func import grad

from mtl import dst
from mtl.gradients.extending import measure_extensions
from mtl.losses import binary_cross_entropy, task_loss
from mtl.world import ALONE
from tests.tiny import TASKS, make_batch, make_tiny


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_signal_is_that_of_gradients_at_the_heads(head: str) -> None:
    model, params, _ = make_tiny(head=head)
    weights = {
        name: next(value for key, value in params.heads[name].items() if "weight" in key) for name in params.heads
    }
    widths = {group.tap: weights[name].shape[-1] for name, group in model.groups.items()}
    batch, generator = make_batch(6), torch.Generator().manual_seed(0)
    features = {tap: torch.randn(6, width, generator=generator) for tap, width in widths.items()}
    measured = measure_extensions(("signal", "agreement"), model, params.heads, features, batch, torch.eye(3), ALONE)
    assert measured["agreement"].tolist() == [0.0, 0.0, 0.0]
    for name, group in model.groups.items():
        for index, task in enumerate(group.tasks):
            own = {key: value[index] for key, value in params.heads[name].items()}

            def loss(own: dict[str, torch.Tensor], rows: slice, task: str = task, tap: str = group.tap) -> torch.Tensor:
                outputs = model.head(own, features[tap][rows])
                return task_loss(binary_cross_entropy, outputs, batch.labels[task][rows], batch.mask[task][rows])

            first, second = (
                torch.cat([part.flatten() for part in grad(loss)(own, rows).values()])
                for rows in (slice(3), slice(3, 6))
            )
            expected = torch.cosine_similarity(first, second, dim=0)
            assert measured["signal"][TASKS.index(task)] == pytest.approx(float(expected), abs=1e-5)


def test_nothing_is_computed_that_was_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    model, params, _ = make_tiny()
    monkeypatch.setattr(
        "mtl.gradients.extending._products_of_halves", lambda *args: pytest.fail("halves were measured")
    )
    assert measure_extensions((), model, params.heads, {}, make_batch(), torch.eye(3), ALONE) == {}
    seen = measure_extensions(("agreement",), model, params.heads, {}, make_batch(), torch.ones(3, 3), ALONE)
    assert torch.allclose(seen["agreement"], torch.ones(3)) and [*dst.EXTENSIONS] == ["agreement", "signal"]
