"""Balancing in a loop of your own, with `nn.Module`s and torch's optimizers: takes the place of `loss.backward()`.

A loop where every task reads the same features shows the method these gradients: a backward pass of each head, then
one through the trunk. Otherwise it names the shared parameters, and every task is pulled back to them.
Shape legend: K tasks, N coordinates of a gradient.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

from mtl.batch import draw_uniforms
from mtl.errors import UserError
from mtl.linalg import row_products
from mtl.methods.base import AnyMethod, Observation, balance, first_state
from mtl.training.observing import LEAST_LOSS

Gradients = tuple[Tensor | None, ...]


class BalanceState(NamedTuple):
    """What `backward` hands on: the method's state, and int64 how often it was called."""

    method: Any
    step: Tensor


def backward(
    losses: Mapping[str, Tensor],
    method: AnyMethod,
    state: BalanceState | None = None,
    *,
    features: Tensor | Sequence[Tensor] | None = None,
    shared: Iterable[Tensor] | None = None,
    gates: Mapping[str, bool] | None = None,
    learning_rate: float = 1e-3,
    number: int | None = None,
    seed: int = 0,
) -> tuple[dict[str, Tensor], BalanceState]:
    """Adds to `.grad` what `loss.backward()` would, with the tasks' gradients combined by a method.

    Shared parameters get sum_t w_t g_t over the tasks that are on. A task's own parameters, those that no other loss
    reaches, get their own gradient, times w_t where the method minimises a weighted loss. A dropped task's own get
    none: where `.grad` was None, it stays None. The graph of the losses is freed with the losses.

    Args:
      losses: task -> scalar with its graph; all of the tasks in every step, in one order.
      method: from `mtl.methods`.
      state: what the call before returned; None before the first.
      features: what the heads read, one tensor, or several of which none is made of another: the method looks at
        gradients there, and what is behind it is the trunk. Give this or `shared`.
      shared: the parameters that tasks have in common: the method looks at gradients there, which holds one of that
        size for each task.
      gates: task -> whether it is trained; None: all are.
      learning_rate: the optimizer's, for methods that learn weights with it.
      number: of the batch in its epoch, for methods that look at epochs; None: one epoch without end.
      seed: of what methods draw.

    Returns:
      (task -> its weight, 0 for a dropped one; the new state).

    Raises:
      UserError: for both or none of `features` and `shared`, gates that leave no task on, a parameter that two losses
        reach past what is shared, a negative loss for a method that needs positive ones, a method that looks at halves
        of the batch or at the losses after the step, and `features` for one that keeps gradients from step to step.

    Example:
      >>> from mtl.methods.upgrad import upgrad
      >>> trunk, near, far = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1), torch.nn.Linear(4, 1)
      >>> features = trunk(torch.ones(2, 3))
      >>> losses = {"near": near(features).square().mean(), "far": (far(features) - 5.0).square().mean()}
      >>> weights, state = backward(losses, upgrad(), features=features)
      >>> trunk.weight.grad.shape
      torch.Size([4, 3])
    """
    if method.after is not None:
        raise UserError(
            "this method looks at the losses again after the step, which backward cannot: use make_train_step"
        )
    tasks, open_tasks = list(losses), _open_tasks(losses, gates)
    tensors = _shared_tensors(method, features, shared)
    own = {task: _own_parameters(task, losses[task], tensors) for task in open_tasks}
    _check_apart(own, tensors)
    columns, own_gradients = _differentiate(losses, tensors, own)
    stacked = [_stack(tensor, column) for tensor, column in zip(tensors, columns, strict=True)]

    sizes, device = [each_KN.shape[1] for each_KN in stacked], stacked[0].device
    if state is None:
        state = BalanceState(first_state(method, len(tasks), device, sum(sizes)), torch.tensor(0))
    open_K = torch.tensor([task in open_tasks for task in tasks], device=device)
    on_gradients = "gradients" in method.looks_at
    observation = Observation(
        losses_K=_losses(losses, method, open_K),
        gramian_KK=torch.stack([row_products(each_KN, each_KN) for each_KN in stacked]).sum(0).float(),
        open_K=open_K,
        uniforms_K=draw_uniforms(len(tasks), seed, int(state.step)).to(device),
        learning_rate=torch.tensor(learning_rate, device=device),
        epoch_step=(state.step if number is None else torch.tensor(number)).to(device),
        gradients_KN=torch.cat(stacked, dim=1).float() if on_gradients else None,
    )
    with torch.no_grad():
        weights_K, direction, method_state = balance(method, state.method, observation)
        head_weights_K = method.head_weights(state.method, observation, weights_K)
        sums = direction.split(sizes) if on_gradients else [direction.to(each.dtype) @ each for each in stacked]

    combined = [each_N.view_as(tensor).to(tensor.dtype) for each_N, tensor in zip(sums, tensors, strict=True)]
    if shared is None:
        torch.autograd.backward(tensors, combined)
    else:  # a parameter that no loss reaches keeps the .grad that it has
        _accumulate(
            tensors,
            [
                each if any(row is not None for row in column) else None
                for each, column in zip(combined, columns, strict=True)
            ],
        )
    for task in open_tasks:
        _accumulate(own[task], own_gradients[task], head_weights_K[tasks.index(task)])
    return dict(zip(tasks, weights_K.unbind(), strict=True)), BalanceState(method_state, state.step + 1)


def _open_tasks(losses: Mapping[str, Tensor], gates: Mapping[str, bool] | None) -> list[str]:
    on = [task for task in losses if gates is None or gates[task]]
    if not on:
        raise UserError("no task is on: leave at least one gate open, as dst.sample_gates does")
    return on


def _shared_tensors(
    method: AnyMethod, features: Tensor | Sequence[Tensor] | None, shared: Iterable[Tensor] | None
) -> list[Tensor]:
    """Where the method looks at gradients."""
    if "halves" in method.looks_at:
        raise UserError("this method looks at two halves of the batch, which backward cannot: use make_train_step")
    if (features is None) == (shared is None):
        raise UserError("give backward either features, which the heads read, or shared, the parameters they share")
    if shared is not None:
        parameters = [parameter for parameter in shared if parameter.requires_grad]
        if not parameters:
            raise UserError("none of the shared parameters requires a gradient: there is nothing to balance")
        return parameters
    if not method.at_features:
        raise UserError(
            "this method keeps gradients from step to step, and at the features each step has other examples: give "
            "backward the shared parameters instead"
        )
    tensors = [features] if isinstance(features, Tensor) else list(features or ())
    if not tensors or not all(tensor.requires_grad for tensor in tensors):
        raise UserError(
            "the features have no graph, so there is no trunk to train: give them as the trunk returns them"
        )
    nodes = {_node(tensor) for tensor in tensors}
    children = [child for node in nodes for child, _ in node.next_functions if child is not None]
    if not nodes.isdisjoint(_nodes(children, stop=set())):
        raise UserError(
            "some features are made of others, and count twice: give backward the shared parameters instead"
        )
    return tensors


def _own_parameters(task: str, loss: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    """The leaves that a loss reaches without passing through one of the tensors."""
    if not loss.requires_grad:
        raise UserError(f"the loss of {task} depends on no parameter: give backward losses with their graph")
    return _leaves([loss], stop=tensors)


def _leaves(roots: Sequence[Tensor], stop: Sequence[Tensor] = ()) -> list[Tensor]:
    """The leaves of the roots' graphs; what lies behind the tensors at which it stops is left out."""
    nodes = _nodes([_node(root) for root in roots], {_node(tensor) for tensor in stop})
    return [node.variable for node in nodes if hasattr(node, "variable")]  # the nodes that add to a leaf's .grad


def _nodes(waiting: list[Node], stop: set[Node]) -> dict[Node, None]:
    """These nodes and all that their gradients go on to, in the order in which they are found."""
    found: dict[Node, None] = {}
    while waiting:
        node = waiting.pop()
        if node not in found and node not in stop:
            found[node] = None
            waiting += [child for child, _ in node.next_functions if child is not None]
    return found


def _node(tensor: Tensor) -> Node:
    return get_gradient_edge(tensor).node


def _check_apart(own: Mapping[str, list[Tensor]], tensors: list[Tensor]) -> None:
    """Refuses a parameter that is reached both through what is shared and past it, or past it by two losses."""
    owners = {id(leaf): "what is shared" for leaf in _leaves(tensors)}
    for task, leaves in own.items():
        for leaf in leaves:
            other = owners.setdefault(id(leaf), task)
            if other != task:
                raise UserError(
                    f"a parameter of shape {tuple(leaf.shape)} is reached by {task}, past what is shared, and by "
                    f"{other}: give backward all features through which the losses reach it, or name it in shared"
                )


def _differentiate(
    losses: Mapping[str, Tensor], tensors: list[Tensor], own: Mapping[str, list[Tensor]]
) -> tuple[list[Gradients], dict[str, Gradients]]:
    """For each shared tensor the tasks' gradients, None for a dropped task; for each task those of its own."""
    rows: dict[str, Gradients] = {task: (None,) * len(tensors) for task in losses}
    own_gradients: dict[str, Gradients] = {}
    for task, parameters in own.items():
        found = torch.autograd.grad(losses[task], [*tensors, *parameters], retain_graph=True, allow_unused=True)
        rows[task], own_gradients[task] = found[: len(tensors)], found[len(tensors) :]
    return list(zip(*rows.values(), strict=True)), own_gradients


def _stack(tensor: Tensor, gradients: Gradients) -> Tensor:
    """[K, N], in float32 at least; 0 where a task has none."""
    stacked = torch.stack([torch.zeros_like(tensor) if each is None else each for each in gradients])
    return stacked.detach().flatten(1).to(torch.promote_types(tensor.dtype, torch.float32))


def _losses(losses: Mapping[str, Tensor], method: AnyMethod, open_K: Tensor) -> Tensor:
    losses_K = torch.stack([loss.detach().float() for loss in losses.values()])
    if not method.needs_positive_losses:
        return losses_K
    for task, value, is_open in zip(losses, losses_K.tolist(), open_K.tolist(), strict=True):
        if is_open and value < 0.0:
            raise UserError(f"this method needs positive losses, and that of {task} is {value:g}: choose another")
    return losses_K.clamp(min=LEAST_LOSS)


def _accumulate(parameters: list[Tensor], gradients: Sequence[Tensor | None], weight: Tensor | None = None) -> None:
    """Adds to `.grad`."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            added = gradient if weight is None else weight.to(gradient.dtype) * gradient
            parameter.grad = added if parameter.grad is None else parameter.grad + added
