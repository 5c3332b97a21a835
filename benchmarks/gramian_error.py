"""How wrong are the cheap looks at the gradients' inner products M? Measured along a joint training run.

The exact M of a step is of the gradients at the trunk's parameters, on the whole batch, in float32. At every tenth step
from the 50th on it is compared with
  m steps before    the exact M of step t - m, on that step's batch: with `gradients.every` = m, up to m - 1 steps old
  1/n of the batch  M at the parameters, on the first images of the batch, as with `gradients.fraction`
  bfloat16          M at the parameters, on the whole batch, as with `train.precision` = bfloat16
  features          M at the shared features, as with `gradients.level` = features
  another batch     M at the parameters, on the batch that comes next: what a batch's noise is
  equal weights     the identity for M, by which all five methods weigh the tasks equally: what not looking costs

Columns:
  cosines           root mean square error over the pairs of tasks
  signs             share of the pairs that conflict in one M and not in the other
  norms             root mean square relative error over the tasks, of the norms times the best common factor
  mgda, ...         degrees between the direction that a method takes by this M and the one by the exact M, both of the
                    step's own gradients: cos = v^T M w / sqrt(v^T M v w^T M w), M exact
Median and quartiles over the steps that are compared. The network is trained by equal weights throughout, so that all
looks and methods are compared on the same steps; PCGrad visits the tasks in the same order for either M.

Command: python benchmarks/gramian_error.py [--root=DIR]    writes artifacts/benchmarks/gramian_error_<device>.json
         --root: CelebA's files, for the run of configs/celeba_methods.py; without it that of configs/default.py,
         at 32 x 32 pixels; either with joint training, in float32
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from absl import app, flags
from ml_collections import ConfigDict
from result import write_result
from torch import Tensor

from mtl.batch import Batch, mask_matrix
from mtl.bench.table import aligned
from mtl.bench.timing import quartiles
from mtl.config import read_run
from mtl.errors import UserError
from mtl.gradients.parameters import choose_probes, inner_products, make_forward
from mtl.gradients.per_task import by_tap, features_products, task_losses_and_gradients
from mtl.methods.base import Method, Observation
from mtl.methods.cagrad import cagrad
from mtl.methods.mgda import mgda
from mtl.methods.nash_mtl import nash_mtl
from mtl.methods.pcgrad import pcgrad
from mtl.methods.upgrad import upgrad
from mtl.models.images import augment_and_normalize
from mtl.models.model import Model, in_bfloat16
from mtl.state import TrainState
from mtl.training.epoch import epoch_batches
from mtl.training.resuming import Progress
from mtl.training.run import Run, prepare

ROOT = flags.DEFINE_string("root", "", "folder of CelebA's files; faces are drawn if it is not given")
EPOCHS = flags.DEFINE_integer("epochs", None, "if not the configuration's")
EVERY = flags.DEFINE_integer("every", 10, "steps from one moment to the next")
REPOSITORY = Path(__file__).parent.parent
AGES = (1, 2, 5, 10, 20, 50)  # m, steps
PARTS = (2, 4, 8)  # n
METHODS: dict[str, Method[Any]] = {
    "mgda": mgda(),
    "upgrad": upgrad(),
    "nash_mtl": nash_mtl(),
    "cagrad": cagrad(),
    "pcgrad": pcgrad(),
}


class Products(NamedTuple):
    """Inner products of the tasks' gradients, float64 [K, K], at the trunk's parameters and at its features."""

    parameters_KK: Tensor
    features_KK: Tensor


class Moment(NamedTuple):
    """What is compared at a sampled step: the exact M, and name -> an estimate of it."""

    exact_KK: Tensor
    estimates: dict[str, Tensor]
    uniforms_K: Tensor


Measure = Callable[[TrainState, Batch], Products]


def make_measure(run: Run, model: Model, state: TrainState, num_images: int) -> Measure:
    """Makes measure(state, batch): M of the batch's first images as `sources` takes it, with every gate open."""
    size = run.settings.data.image_size
    shape = (num_images, 3, size, size)
    forward = make_forward(model, choose_probes(model, state.params, state.buffers, shape, len(model.tasks)))

    @torch.no_grad()
    def measure(state: TrainState, batch: Batch) -> Products:
        images_BCHW = augment_and_normalize(batch.inputs, batch.augmentation)[:num_images]
        labels, mask = ({task: each[:num_images] for task, each in of.items()} for of in (batch.labels, batch.mask))
        passed = forward(state.params.trunk, state.buffers, images_BCHW)
        _, gradients = task_losses_and_gradients(model, state.params.heads, passed.features, labels, mask)
        pulled = passed.pull_back(by_tap(model, gradients.features))
        at_features_KK = features_products(
            model, gradients.features, mask_matrix(batch, model.tasks)[:num_images]
        ).gramian_KK
        return Products(*(found_KK.cpu().double() for found_KK in (inner_products(pulled), at_features_KK)))

    return measure


def moments(run: Run, state: TrainState) -> Iterator[Moment]:
    """Trains the whole run, and yields what is compared on its way."""
    batch_size = run.settings.train.batch_size
    measure = make_measure(run, run.model, state, batch_size)
    others = {
        **{f"1/{n} of the batch": make_measure(run, run.model, state, batch_size // n) for n in PARTS},
        "bfloat16": make_measure(run, in_bfloat16(run.model), state, batch_size),
    }
    epochs = range(1, run.settings.train.epochs + 1)
    batches = chain.from_iterable(epoch_batches(run, Progress(epoch=epoch)) for epoch in epochs)
    sampled = range(max(AGES), len(epochs) * run.data.num_batches - 1, EVERY.value)
    measured = {step - age for step in sampled for age in (0, *AGES)}
    gates = {task: run.switches[True] for task in run.model.tasks}
    exact: dict[int, Products] = {}
    for step, (batch, following) in enumerate(pairwise(batches)):
        if step in measured:
            exact[step] = measure(state, batch)
        if step in sampled:
            estimates = {
                "another batch": measure(state, following).parameters_KK,
                **{f"{age} {'step' if age == 1 else 'steps'} before": exact[step - age].parameters_KK for age in AGES},
                **{name: other(state, batch).parameters_KK for name, other in others.items()},
                "features": exact[step].features_KK,
                "equal weights": torch.eye(len(gates), dtype=torch.float64),
            }
            yield Moment(exact[step].parameters_KK, estimates, batch.uniforms_K.cpu())
        (train_step,) = run.steps.train.values()
        state, _ = train_step(state, batch, gates, len(gates), step % run.data.num_batches)


def errors(moment: Moment) -> dict[str, dict[str, float]]:
    """Row of the table -> column -> error."""
    exact_KK, uniforms_K = moment.exact_KK, moment.uniforms_K
    best = {name: weights(method, exact_KK, uniforms_K) for name, method in METHODS.items()}
    return {
        row: {
            "cosines": (pairs(estimate_KK) - pairs(exact_KK)).square().mean().sqrt().item(),
            "signs": ((pairs(estimate_KK) < 0.0) != (pairs(exact_KK) < 0.0)).double().mean().item(),
            "norms": norms_error(estimate_KK, exact_KK),
            **{
                name: angle(weights(method, estimate_KK, uniforms_K), best[name], exact_KK)
                for name, method in METHODS.items()
            },
        }
        for row, estimate_KK in moment.estimates.items()
    }


def pairs(gramian_KK: Tensor) -> Tensor:
    """The cosines of all pairs of tasks, [K (K - 1) / 2]."""
    norms_K = gramian_KK.diagonal().sqrt()
    rows, columns = torch.triu_indices(len(norms_K), len(norms_K), offset=1)
    return (gramian_KK / norms_K / norms_K[:, None])[rows, columns]


def norms_error(estimate_KK: Tensor, exact_KK: Tensor) -> float:
    """min over s of the root mean square of s |g'_k| / |g_k| - 1."""
    ratios_K = (estimate_KK.diagonal() / exact_KK.diagonal()).sqrt()
    factor = ratios_K.sum() / ratios_K.square().sum()
    return (factor * ratios_K - 1.0).square().mean().sqrt().item()


def weights(method: Method[Any], gramian_KK: Tensor, uniforms_K: Tensor) -> Tensor:
    """What a method without state makes of M."""
    num_tasks = len(gramian_KK)
    observation = Observation(
        losses_K=torch.ones(num_tasks),
        gramian_KK=gramian_KK,
        open_K=torch.ones(num_tasks, dtype=torch.bool),
        uniforms_K=uniforms_K,
        learning_rate=torch.tensor(1e-3),
        epoch_step=torch.tensor(0),
    )
    return method.update(method.init(num_tasks, torch.device("cpu")), observation)[0]


def angle(one_K: Tensor, other_K: Tensor, gramian_KK: Tensor) -> float:
    """Degrees between the directions that two weights of the same gradients give."""
    lengths = ((one_K @ gramian_KK @ one_K) * (other_K @ gramian_KK @ other_K)).sqrt()
    return (one_K @ gramian_KK @ other_K / lengths).clamp(-1.0, 1.0).acos().rad2deg().item()


def table(rows: dict[str, dict[str, dict[str, float]]]) -> str:
    """A line per estimate, in aligned columns."""
    columns = list(rows["features"])
    lines = [["", *columns]]
    lines += [[row, *(cell(column, found[column]) for column in columns)] for row, found in rows.items()]
    return aligned(lines)


def cell(column: str, found: dict[str, float]) -> str:
    """Median and quartiles: of degrees, or of an error."""
    digits = 1 if column in METHODS else 3
    low, median, high = (f"{found[name]:.{digits}f}" for name in ("quartile_1", "median", "quartile_3"))
    return f"{median} ({low}-{high})"


def get_config() -> ConfigDict:
    """The run that is measured."""
    sys.path.append(str(REPOSITORY))  # configs/ is no part of what is installed
    from configs import celeba_methods, default

    config = celeba_methods.get_config() if ROOT.value else default.get_config()
    config.method = "joint"
    config.data.root = ROOT.value or config.data.root
    config.data.image_size = 32
    config.train.precision = "float32"
    config.train.epochs = EPOCHS.value or config.train.epochs
    return config


def main(_: list[str]) -> None:
    config = get_config()
    with tempfile.TemporaryDirectory() as workdir:  # what a run writes is not wanted
        run, state = prepare(read_run(config), Path(workdir))
    num_steps = config.train.epochs * run.data.num_batches
    if num_steps < max(AGES) + 2:
        raise UserError(f"{num_steps} steps are too few: raise --epochs")
    sampled = list(moments(run, state))
    found = [errors(moment) for moment in sampled]
    rows = {
        row: {column: quartiles(np.array([each[row][column] for each in found])) for column in columns}
        for row, columns in found[0].items()
    }
    cosines = [pairs(moment.exact_KK).numpy() for moment in sampled]
    exact = {
        "cosines of the pairs": quartiles(np.concatenate(cosines)),
        "share of pairs that conflict": quartiles(np.array([(cosines_P < 0.0).mean() for cosines_P in cosines])),
    }
    result = {
        "errors": rows,
        "exact": exact,
        "setting": {
            "data": config.data.name,
            "num_train_images": len(run.data.rows["train"]),
            "image_size": config.data.image_size,
            "tasks": list(run.model.tasks),
            "backbone": config.model.backbone,
            "precision": config.train.precision,
            "batch_size": config.train.batch_size,
            "num_steps": num_steps,
            "every": EVERY.value,
            "num_moments": len(sampled),
        },
    }
    write_result(f"gramian_error_{run.device.type}", result, run.device)
    print(table(rows))
    for name, values in exact.items():
        print(f"exact M, {name}: {cell(name, values)}")


if __name__ == "__main__":
    app.run(main)
