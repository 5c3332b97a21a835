"""The training step: (state, batch, gates) -> (state, metrics), pure.

  images -> augment -> direction: per-task gradients, gates, balancing method   mtl/gradients/direction.py
  trunk's gradient, heads' gradients -> optimizer -> new state

With every gate open and unit weights this is joint training, and DST costs what that costs. The step touches nothing
outside its arguments, draws no random number and asks the device for no value; learning rate, step and gates are
tensors.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.func import vjp, vmap
from torch.utils._pytree import tree_map

from mtl.data.batches import Batch
from mtl.gradients.direction import Gates, Look, Start, make_direction
from mtl.gradients.per_task import InnerProducts, stack
from mtl.losses import masked_binary_cross_entropy
from mtl.methods.interface import AnyMethod, GradientMethod
from mtl.models.model import Model, Params, augment, normalize
from mtl.optim import Optimizer, OptimizerState, Schedule

Tree = TypeVar("Tree")


class OptimizerStates(NamedTuple):
    """`trunk`: one state; `heads`: tap -> a state whose every leaf, its count too, has a leading task axis."""

    trunk: OptimizerState
    heads: dict[str, OptimizerState]


class TrainState(NamedTuple):
    """All that training changes.

    Attributes:
      params: of trunk and heads.
      buffers: BatchNorm's running statistics.
      optimizer: see `OptimizerStates`.
      method: of the balancing method; an empty tuple for equal weights.
      products: inner products of the tasks' gradients that the method looked at last.
      step: int64 scalar, training steps so far.
    """

    params: Params
    buffers: dict[str, Tensor]
    optimizer: OptimizerStates
    method: Any
    products: InnerProducts
    step: Tensor


class Metrics(NamedTuple):
    """What a step tells, on its device.

    Attributes:
      losses: task -> mean loss of the batch, dropped tasks too.
      weights: task -> the method's weight of its gradients; 0 for a dropped task, and without a label in the batch.
      gramians: level -> [K, K], inner products of the tasks' gradients at the features, dropped tasks too, and at the
        parameters if the method looks there.
      gradient_norm: Euclidean norm of the trunk's gradient.
      learning_rate: of this step.
    """

    losses: dict[str, Tensor]
    weights: dict[str, Tensor]
    gramians: dict[str, Tensor]
    gradient_norm: Tensor
    learning_rate: Tensor


def init_state(
    model: Model,
    params: Params,
    buffers: dict[str, Tensor],
    optimizer: Optimizer,
    method: AnyMethod,
) -> TrainState:
    """The state before the first step; the heads' optimizer is stacked like the heads."""
    device, num_tasks = next(iter(params.trunk.values())).device, len(model.tasks)
    heads = {tap: tree_map(torch.clone, vmap(optimizer.init)(group)) for tap, group in params.heads.items()}
    states = OptimizerStates(optimizer.init(params.trunk), heads)
    if isinstance(method, GradientMethod):
        method_state = method.init(num_tasks, sum(value.numel() for value in params.trunk.values()), device)
    else:
        method_state = method.init(num_tasks, device)
    products = InnerProducts(*torch.zeros(2, num_tasks, num_tasks, device=device).unbind())
    step = torch.zeros((), dtype=torch.int64, device=device)
    return TrainState(params, buffers, states, method_state, tree_map(torch.clone, products), step)


def make_train_step(
    model: Model,
    optimizer: Optimizer,
    schedule: Schedule,
    method: AnyMethod,
    look: Look,
) -> Callable[[TrainState, Batch, Gates], tuple[TrainState, Metrics]]:
    """Makes train_step(state, batch, gates) -> (state, metrics).

    gates: task -> scalar bool tensor. A dropped task's head and its optimizer state come out with the bits they went in
    with: no momentum, no weight decay, no count. The trunk is updated by the weighted sum of the active tasks'
    gradients.

    Args:
      look: how the method gets to see gradients, from `mtl.gradients.looks`.
    """
    find_direction = make_direction(model, method, look)

    @torch.no_grad()  # torch.func differentiates inside; outside, no graph is wanted
    def train_step(state: TrainState, batch: Batch, gates: Gates) -> tuple[TrainState, Metrics]:
        images = normalize(augment(batch.images_BCHW, batch.flip_B, batch.shift_B2))
        learning_rate = schedule(state.step)
        direction = find_direction(
            Start(state.params, state.buffers, state.method, state.products, images, batch, gates, learning_rate)
        )
        trunk, trunk_optimizer = optimizer.update(
            direction.trunk, state.optimizer.trunk, state.params.trunk, learning_rate
        )
        heads, head_optimizers = {}, {}
        for tap, members in model.groups.items():
            old = (state.params.heads[tap], state.optimizer.heads[tap])
            new = vmap(optimizer.update, in_dims=(0, 0, 0, None))(
                stack(direction.heads, members), old[1], old[0], learning_rate
            )
            open_G = torch.stack([gates[task] for task in members])
            heads[tap], head_optimizers[tap] = _select(open_G, new, old)

        new_state = TrainState(
            Params(trunk, heads),
            direction.buffers,
            OptimizerStates(trunk_optimizer, head_optimizers),
            direction.method,
            direction.products,
            state.step + 1,
        )
        metrics = Metrics(
            direction.losses,
            direction.weights,
            direction.gramians,
            norm(direction.trunk.values()),
            learning_rate,
        )
        return new_state, metrics

    return train_step


def make_loss_step(model: Model) -> Callable[[Params, dict[str, Tensor], Batch], dict[str, Tensor]]:
    """Makes loss_step(params, buffers, batch) -> task -> loss: forward only, batch statistics, no augmentation.

    This is what DST's V is measured with; buffers are read and left as they are.
    """

    @torch.no_grad()
    def loss_step(params: Params, buffers: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        features, _ = model.trunk(params.trunk, buffers, normalize(batch.images_BCHW), True)
        logits_BK = _logits(model, params, features)
        return {
            task: masked_binary_cross_entropy(logits_BK[:, k], batch.labels_BK[:, k], batch.mask_BK[:, k])
            for k, task in enumerate(model.tasks)
        }

    return loss_step


def make_predict_step(model: Model) -> Callable[[Params, dict[str, Tensor], Tensor], Tensor]:
    """Makes predict_step(params, buffers, images_BCHW uint8) -> logits_BK, with running statistics."""

    @torch.no_grad()
    def predict_step(params: Params, buffers: dict[str, Tensor], images_BCHW: Tensor) -> Tensor:
        features, _ = model.trunk(params.trunk, buffers, normalize(images_BCHW), False)
        return _logits(model, params, features)

    return predict_step


def make_evidence_step(model: Model) -> Callable[[Params, dict[str, Tensor], Tensor], Tensor]:
    """Makes evidence_step(params, buffers, images_BCHW uint8) -> [B, K, H, W]: which pixels a task's logit hangs on.

    max over channels of |d logit_k / d image| at the normalised image, with running statistics (Simonyan et al. 2014).
    """

    @torch.no_grad()
    def evidence_step(params: Params, buffers: dict[str, Tensor], images_BCHW: Tensor) -> Tensor:
        def summed_logits_K(images: Tensor) -> Tensor:
            # With running statistics an image's logits depend on no other image, so the gradient of the sum over
            # images holds each image's own.
            return _logits(model, params, model.trunk(params.trunk, buffers, images, False)[0]).sum(0)

        _, pull_back = vjp(summed_logits_K, normalize(images_BCHW))  # type: ignore[misc]  # it forgets has_aux
        one_hots_KK = torch.eye(len(model.tasks), device=images_BCHW.device)
        evidence = [pull_back(one_hot_K)[0].abs().amax(dim=1) for one_hot_K in one_hots_KK]
        return torch.stack(evidence, dim=1)

    return evidence_step


def _logits(model: Model, params: Params, features: dict[str, Tensor]) -> Tensor:
    per_task: dict[str, Tensor] = {}
    for tap, members in model.groups.items():
        logits_GB = vmap(model.head, in_dims=(0, None))(params.heads[tap], features[tap])
        per_task |= dict(zip(members, logits_GB.unbind(), strict=True))
    return torch.stack([per_task[task] for task in model.tasks], dim=1)


def _select(open_G: Tensor, new: Tree, old: Tree) -> Tree:
    """Takes each task's slice from `new` where its gate is open, else from `old`, bit for bit."""
    return tree_map(lambda a, b: torch.where(open_G.view(-1, *(1,) * (b.dim() - 1)), a, b), new, old)


def norm(tensors: Iterable[Tensor]) -> Tensor:
    """Euclidean norm over all entries of all tensors."""
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor) for tensor in tensors]))
