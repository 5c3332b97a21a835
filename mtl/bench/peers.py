"""Gradients of every task at the parameters without us: a loop of autograd.grad, and TorchJD.

  loop                  K calls of torch.autograd.grad, the gradients' Gramian, the weights of our upgrad
  torchjd               mtl_backward and UPGrad as they come: K backward passes at once, under vmap
  torchjd, one by one   the same with parallel_chunk_size=1
  torchjd, lean         the same and optimize_gramian_computation=True
  torchjd, autogram     its Engine, which finds the Gramian while it goes backward, then one more backward pass

The engine takes a BatchNorm with batch_dim=None alone: with a batch dimension it wants each image's gradient, and
raises a ValueError, since BatchNorm mixes the images. Without one it holds K gradients of every layer, one layer at a
time, and K times what a backward pass holds.
"""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torchjd.aggregation import UPGrad, UPGradWeighting
from torchjd.autogram import Engine
from torchjd.autojac import jac_to_grad, mtl_backward

from mtl.batch import Batch
from mtl.bench.handwritten import forward, make_network
from mtl.bench.ours import LEARNING_RATE, Case, make_batch
from mtl.bench.timing import Contestant, Step
from mtl.methods.base import Observation
from mtl.methods.upgrad import upgrad


def make_peers(case: Case, device: torch.device) -> dict[str, Contestant]:
    """All of them, by name.

    Example:
      >>> list(make_peers(Case(), torch.device("cpu")))[:2]
      ['loop', 'torchjd']
    """
    return {
        "loop": Contestant(partial(make_loop, case, device)),
        "torchjd": Contestant(partial(make_torchjd, case, device)),
        "torchjd, one by one": Contestant(partial(make_torchjd, case, device, chunk_size=1)),
        "torchjd, lean": Contestant(partial(make_torchjd, case, device, chunk_size=1, lean=True)),
        "torchjd, autogram": Contestant(partial(make_autogram, case, device)),
    }


def make_loop(case: Case, device: torch.device) -> Step:
    """A gradient of all parameters per task, one after the other."""
    network, batch, method = make_network(case, device), make_batch(case, device), upgrad()
    shared = list(network.trunk.parameters())
    state = method.init(case.num_tasks, device)

    def step() -> object:
        nonlocal state
        _, losses = forward(network, batch)
        rows = []
        for head, loss in zip(network.heads, losses, strict=True):
            own = list(head.parameters())
            gradients = torch.autograd.grad(loss, shared + own, retain_graph=True)
            rows.append(torch.cat([gradient.flatten() for gradient in gradients[: len(shared)]]))
            _set_gradients(own, gradients[len(shared) :])
        rows_KN = torch.stack(rows)
        weights_K, state = method.update(state, _observe(batch, losses, rows_KN @ rows_KN.T))
        _set_gradients(shared, (weights_K @ rows_KN).split([parameter.numel() for parameter in shared]))
        return network.optimizer.step()

    return step


def make_torchjd(case: Case, device: torch.device, chunk_size: int | None = None, lean: bool = False) -> Step:
    """TorchJD's backward pass of many losses.

    Args:
      chunk_size: losses that are differentiated at once; None: all.
      lean: whether the Jacobian's layers are kept apart, not copied into one matrix.
    """
    network, batch, aggregator = make_network(case, device), make_batch(case, device), UPGrad()

    def step() -> object:
        network.optimizer.zero_grad()
        features, losses = forward(network, batch)
        mtl_backward(losses, features=features, parallel_chunk_size=chunk_size)
        jac_to_grad(network.trunk.parameters(), aggregator, optimize_gramian_computation=lean)
        return network.optimizer.step()

    return step


def make_autogram(case: Case, device: torch.device) -> Step:
    """TorchJD's Gramian; heads get weighted gradients."""
    network, batch, weighting = make_network(case, device), make_batch(case, device), UPGradWeighting()
    engine = Engine(network.trunk, batch_dim=None)

    def step() -> object:
        network.optimizer.zero_grad()
        losses_K = torch.stack(forward(network, batch)[1])
        losses_K.backward(weighting(engine.compute_gramian(losses_K)))
        return network.optimizer.step()

    return step


def _set_gradients(parameters: Iterable[nn.Parameter], gradients: Iterable[Tensor]) -> None:
    """For the optimizer."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.view_as(parameter)


def _observe(batch: Batch, losses: list[Tensor], gramian_KK: Tensor) -> Observation:
    """What our method is told by the loop."""
    losses_K = torch.stack(losses).detach()
    return Observation(
        losses_K=losses_K,
        gramian_KK=gramian_KK,
        open_K=torch.ones_like(losses_K, dtype=torch.bool),
        uniforms_K=batch.uniforms_K,
        learning_rate=torch.full_like(losses_K[0], LEARNING_RATE),
        epoch_step=batch.number,
    )
