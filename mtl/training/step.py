"""The training step: (state, batch, gates) -> (state, metrics), pure.

  inputs -> trunk -> features -> heads -> losses, gradients at heads and features     one vmapped pass per group
  gradients -> what the balancing method may look at                                  a source, mtl/gradients/sources.py
  method -> a weight for each open task -> one gradient of the trunk                  sum_t G_t w_t g_t
  gradients of trunk and heads -> optimizer -> new state

With every gate open and unit weights this is joint training, and DST costs what that costs. The step touches nothing
outside its arguments, draws no random number and asks the device for no value; learning rate, step and gates are
tensors.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_leaves, tree_map

from mtl import dst
from mtl.batch import Batch, mask_matrix
from mtl.gradients.extending import measure_extensions
from mtl.gradients.levels import make_source
from mtl.gradients.per_task import features_products, scale, stack, task_losses_and_gradients
from mtl.gradients.rows import num_coordinates
from mtl.gradients.sources import Gates, Given, Source, by_task
from mtl.gradients.whole import of_whole_batch
from mtl.methods.base import AnyMethod, balance, first_state
from mtl.models.model import Model, Params
from mtl.optim import Optimizer, Schedule
from mtl.state import InnerProducts, OptimizerStates, TrainState
from mtl.training.observing import check_losses, losses_after, observe
from mtl.world import ALONE, World

Tree = TypeVar("Tree")
Augment = Callable[[Tensor, Any], Tensor]  # (the batch's inputs, what was drawn for them) -> what the trunk reads
Normalize = Callable[[Tensor], Tensor]  # the same without augmentation, for measuring


class Metrics(NamedTuple):
    """What a step tells, on its device.

    Attributes:
      losses: task -> mean loss of the batch, dropped tasks too.
      num_labelled: task -> images of the batch with a label, float: those that the loss is the mean of.
      weights: task -> the method's weight of its gradients; 0 for a dropped task, and without a label in the batch.
      gramians: level -> [K, K], inner products of the tasks' gradients at the features, dropped tasks too, and at the
        parameters if the method looks there.
      gradient_norm: Euclidean norm of the trunk's gradient.
      learning_rate: of this step.
      extensions: name of a metric of ours for DST -> its x, [K]; of those that were asked for.
    """

    losses: dict[str, Tensor]
    num_labelled: dict[str, Tensor]
    weights: dict[str, Tensor]
    gramians: dict[str, Tensor]
    gradient_norm: Tensor
    learning_rate: Tensor
    extensions: dict[str, Tensor]


class TrainStep(Protocol):
    """(state, batch, task -> scalar bool tensor) -> (state, metrics); without gates every task is on."""

    def __call__(self, state: TrainState, batch: Batch, gates: Gates | None = None) -> tuple[TrainState, Metrics]: ...


def init_state(
    model: Model, params: Params, buffers: dict[str, Tensor], optimizer: Optimizer, method: AnyMethod
) -> TrainState:
    """The state before the first step; the heads' optimizer is stacked like the heads (see `make_train_step`).

    Example:
      >>> import mtl
      >>> trunk = mtl.from_module(torch.nn.Linear(2, 3), None, torch.empty(2, 2))
      >>> model, params, buffers = mtl.make_model(trunk, {"smile": mtl.binary()})
      >>> init_state(model, params, buffers, mtl.sgd(), mtl.methods.upgrad()).step
      tensor(0)
    """
    device, num_tasks = tree_leaves(params)[0].device, len(model.tasks)
    # vmap repeats a count by a stride of 0, which a step's result does not have: torch.compile would start again.
    own = partial(torch.clone, memory_format=torch.contiguous_format)
    heads = {name: tree_map(own, vmap(optimizer.init)(group)) for name, group in params.heads.items()}
    states = OptimizerStates(optimizer.init(params.trunk), heads)
    products = InnerProducts(*torch.zeros(2, num_tasks, num_tasks, device=device).unbind())
    step = torch.zeros((), dtype=torch.int64, device=device)
    method_state = first_state(method, num_tasks, device, num_coordinates(params.trunk))
    return TrainState(params, buffers, states, method_state, tree_map(torch.clone, products), step)


def as_they_are(inputs: Tensor, augmentation: Any = ()) -> Tensor:
    """Inputs that need neither augmentation nor normalisation.

    Example:
      >>> as_they_are(torch.ones(2))
      tensor([1., 1.])
    """
    return inputs


def make_train_step(
    model: Model,
    optimizer: Optimizer,
    schedule: Schedule,
    method: AnyMethod,
    source: Source | None = None,
    augment: Augment = as_they_are,
    donate: bool = False,
    world: World = ALONE,
    heads_rate: float = 1.0,
    extensions: Sequence[str] = (),
) -> TrainStep:
    """Makes train_step(state, batch, gates) -> (state, metrics).

    gates: task -> scalar bool tensor; without them every task is on. A dropped task's head and its optimizer state
    come out with the bits they went in with: no momentum, no weight decay, no count. The trunk is updated by the
    weighted sum of the active tasks' gradients.

    Args:
      source: where the method gets gradients from, see `mtl.gradients.sources`; None: see `levels.make_source`.
      augment: makes what the trunk reads of the batch's inputs.
      donate: the caller gives up `state.params.trunk` and the moments of `state.optimizer.trunk`: the new ones may lie
        where they lay. Nothing else is written to.
      world: the processes that take this step together, each with its rows of the batch.
      heads_rate: what the heads' learning rate is, times the schedule's; the trunk's parts have theirs by
        `mtl.optim.scale_rates`.
      extensions: names of `mtl.dst.EXTENSIONS` that are measured for DST.

    Raises:
      UserError: for a method that needs positive losses and a task whose loss may be negative.

    Example:
      >>> from mtl.batch import make_batch
      >>> from mtl.losses import regression
      >>> from mtl.methods.upgrad import upgrad
      >>> from mtl.models.backbones import from_module
      >>> from mtl.models.model import make_model
      >>> from mtl.optim import make_schedule, sgd
      >>> trunk = from_module(torch.nn.Linear(20, 8), None, torch.empty(2, 20))
      >>> model, params, buffers = make_model(trunk, {"age": regression(), "weight": regression()})
      >>> state = init_state(model, params, buffers, sgd(), upgrad())
      >>> step = make_train_step(model, sgd(), make_schedule("constant", 0.1, 1, 0), upgrad())
      >>> batch = make_batch(torch.ones(4, 20), {"age": torch.ones(4), "weight": torch.zeros(4)})
      >>> state, metrics = step(state, batch)
      >>> int(state.step)
      1
    """
    check_losses(model, method)
    source = make_source(model, method) if source is None else source
    update_trunk = optimizer.update_donated if donate else optimizer.update

    @torch.no_grad()  # torch.func differentiates inside; outside, no graph is wanted
    def train_step(state: TrainState, batch: Batch, gates: Gates | None = None) -> tuple[TrainState, Metrics]:
        learning_rate = schedule(state.step)
        gates = dict.fromkeys(model.tasks, torch.ones_like(state.step, dtype=torch.bool)) if gates is None else gates
        inputs, mask_BK = augment(batch.inputs, batch.augmentation), world.gather(mask_matrix(batch, model.tasks), 0)
        given = Given(state, inputs, batch, mask_BK, gates, world)

        features, buffers, pull_back = source.forward(given)
        own = task_losses_and_gradients(model, state.params.heads, features, batch.labels, batch.mask)
        losses, gradients = of_whole_batch(world, *own, batch.mask, mask_BK)
        measured = source.measure(given, gradients, pull_back)

        observation = observe(model, method, given, losses, measured, learning_rate)
        weights_K, direction, method_state = balance(method, state.method, observation)
        trunk_gradient = measured.combine(direction)
        head_weights = by_task(model, method.head_weights(state.method, observation, weights_K))
        head_gradients = scale(dst.mask(gradients.heads, gates), head_weights)

        gradient_norm = norm(trunk_gradient.values())
        trunk, trunk_optimizer = update_trunk(trunk_gradient, state.optimizer.trunk, state.params.trunk, learning_rate)
        heads, head_optimizers = _update_heads(
            model, optimizer, head_gradients, state, gates, learning_rate * heads_rate
        )

        if method.after is not None:
            method_state = method.after(
                method_state, observation, losses_after(model, given, Params(trunk, heads), buffers)
            )

        gramians = {source.level: measured.products.gramian_KK}
        if source.level != "features":
            gramians["features"] = features_products(model, gradients.features, mask_BK, world).gramian_KK
        seen = measure_extensions(extensions, model, state.params.heads, features, batch, gramians["features"], world)
        new_state = TrainState(
            params=Params(trunk, heads),
            buffers=buffers,
            optimizer=OptimizerStates(trunk_optimizer, head_optimizers),
            method=method_state,
            products=measured.products,
            step=state.step + 1,
        )
        of_tasks = losses, by_task(model, mask_BK.sum(0)), by_task(model, weights_K)
        return new_state, Metrics(*of_tasks, gramians, gradient_norm, learning_rate, seen)

    return train_step


def _update_heads(
    model: Model,
    optimizer: Optimizer,
    gradients: dict[str, dict[str, Tensor]],
    state: TrainState,
    gates: Gates,
    learning_rate: Tensor,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Heads and their optimizer states, group by group; a dropped task's stand still, bit for bit."""
    heads, optimizers = {}, {}
    for name, group in model.groups.items():
        old = (state.params.heads[name], state.optimizer.heads[name])
        stacked = stack(gradients, group.tasks)
        new = vmap(optimizer.update, in_dims=(0, 0, 0, None))(stacked, old[1], old[0], learning_rate)
        open_G = torch.stack([gates[task] for task in group.tasks])
        heads[name], optimizers[name] = _select(open_G, new, old)
    return heads, optimizers


def _select(open_G: Tensor, new: Tree, old: Tree) -> Tree:
    """Takes each task's slice from `new` where its gate is open, else from `old`, bit for bit."""
    return tree_map(lambda a, b: torch.where(open_G.view(-1, *(1,) * (b.dim() - 1)), a, b), new, old)


def norm(tensors: Iterable[Tensor]) -> Tensor:
    """Euclidean norm over all entries of all tensors.

    Example:
      >>> norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
      tensor(5.)
    """
    norms = [torch.linalg.vector_norm(tensor) for tensor in tensors]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.zeros(())  # of a trunk that is frozen
