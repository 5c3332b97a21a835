"""What a network achieves on a run's data: losses on DST's probe, scores on a split."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtl.batch import mask_matrix
from mtl.data.batches import evaluation_batches
from mtl.errors import UserError
from mtl.kinds import all_binary, as_text
from mtl.metrics import evaluate
from mtl.models.model import Params
from mtl.processes.stopping import leave_if_asked
from mtl.state import TrainState
from mtl.streams import Stream, generator
from mtl.training.run import Run

# At least: predictions do not depend on it but for rounding, and small images are faster so.
BATCH_SIZE = 128


def probe(run: Run, state: TrainState, epoch: int) -> dict[str, float | None]:
    """V: each task's mean training loss on a fixed probe of the training split, in the epoch's size."""
    loss_step = run.steps.loss[run.settings.train.sizes[epoch - 1]]
    batch_size = run.settings.train.batch_size
    order = generator(Stream.PROBE, run.settings.seed).permutation(run.data.rows["train"])
    num_images = max(batch_size, min(run.settings.dropping.probe_images, len(order)) // batch_size * batch_size)
    losses_K = torch.zeros(len(run.model.tasks), dtype=torch.float64, device=run.device)
    num_labelled_K = torch.zeros_like(losses_K)
    for batch in evaluation_batches(run.data.pack, np.sort(order[:num_images]), batch_size, run.device, run.world.rows):
        leave_if_asked()
        labelled_K = mask_matrix(batch, run.model.tasks).sum(0).double()
        losses_K += stack(loss_step(state.params, state.buffers, batch)) * labelled_K
        num_labelled_K += labelled_K
    return mean_losses(run, *run.world.sum([losses_K, num_labelled_K]))


def mean_losses(run: Run, losses_K: Tensor, num_labelled_K: Tensor) -> dict[str, float | None]:
    """Mean loss per labelled image, task -> nats; None for a task without a label."""
    pairs = zip(losses_K.tolist(), num_labelled_K.tolist(), strict=True)
    means = [total / number if number else None for total, number in pairs]
    return dict(zip(run.model.tasks, means, strict=True))


def score(
    run: Run, params: Params, buffers: dict[str, Tensor], split: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores a split: (what results.json says of it, what predictions.npz holds)."""
    rows, world = run.data.rows[split], run.world
    batch_size = -(-max(run.settings.train.batch_size, BATCH_SIZE) // world.size) * world.size
    logits = []
    for batch in evaluation_batches(run.data.pack, rows, batch_size, run.device, world.rows):
        leave_if_asked()
        logits.append(torch.cat(list(run.steps.predict(params, buffers, batch.inputs).values()), dim=1))
    table = run.data.pack.table
    predictions = {
        "logits": world.gather(torch.cat(logits), 0)[: len(rows)].cpu().numpy(),
        "labels": table.labels[rows],
        "mask": table.mask[rows],
        "ids": table.ids[rows],
        "identity": table.identity[rows],
        "tasks": np.array(table.attributes),
        "majority": run.data.guess_K,
        **({} if all_binary(table.kinds) else {"kinds": np.array([as_text(kind) for kind in table.kinds])}),
    }
    outputs, labels, mask = (predictions[name] for name in ("logits", "labels", "mask"))
    if not np.isfinite(outputs).all():
        raise UserError(
            f"the network's answers on images of the {split} split are not finite: lower the learning rate and start "
            "in a new workdir",
            "learning_rate",
        )
    return evaluate(table.attributes, outputs, labels, mask, run.data.guess_K, table.kinds), predictions


def stack(values: dict[str, Tensor]) -> Tensor:
    """Task -> scalar becomes [K] float64, to be summed.

    Example:
      >>> stack({"smile": torch.tensor(0.5), "hat": torch.tensor(0.25)})
      tensor([0.5000, 0.2500], dtype=torch.float64)
    """
    return torch.stack(list(values.values())).double()
