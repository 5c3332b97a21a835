"""What takes training steps in the benchmarks of methods: ours, and what one writes without us.

All train a ResNet-18 with linear heads by AdamW on the same batch.

  joint                 ours, equal weights: the yardstick
  NAME                  ours, the method of that name, level auto
  NAME, parameters      ours, looking at gradients at the trunk's parameters; also every 10 steps, at 0.25 of the batch
  joint, nn.Module      nn.Module, torch.optim and a backward pass of the losses' sum
  loop                  K calls of torch.autograd.grad, the gradients' Gramian, the weights of our upgrad
  torchjd               TorchJD's mtl_backward and UPGrad as they come: K backward passes at once, under vmap
  torchjd, one by one   the same with parallel_chunk_size=1
  torchjd, lean         the same and optimize_gramian_computation=True
  torchjd, autogram     TorchJD's Engine, which finds the Gramian while it goes backward, then one more backward pass

The engine takes a BatchNorm with batch_dim=None alone: with a batch dimension it wants each image's gradient, and
raises a ValueError, since BatchNorm mixes the images. Without one it holds K gradients of every layer, one layer at a
time, and K times what a backward pass holds.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from handwritten import forward, make_joint, make_network
from timing import make_network as make_our_network
from timing import make_ours
from torch import Tensor, nn
from torchjd.aggregation import UPGrad, UPGradWeighting
from torchjd.autogram import Engine
from torchjd.autojac import jac_to_grad, mtl_backward

from mtl.batch import Batch
from mtl.methods import make_method
from mtl.methods.base import Observation
from mtl.methods.upgrad import upgrad
from mtl.training.sourcing import Sourcing

Step = Callable[[], object]
EVERY, FRACTION = 10, 0.25


class Contestant(NamedTuple):
    """Who takes steps.

    Attributes:
      make: (batch, how ours is compiled: auto, on, off) -> a training step that carries its state along.
      num_steps: of a turn. A method that looks in every tenth step takes ten.
    """

    make: Callable[[Batch, str], Step]
    num_steps: int = 1


def ours(name: str, source: Sourcing = Sourcing()) -> Contestant:  # noqa: B008 (it cannot be changed)
    """The method of that name, with its default options.

    Args:
      source: where it gets gradients from.
    """

    def make(batch: Batch, compile: str) -> Step:
        num_tasks = len(batch.labels)
        return make_ours(make_our_network(num_tasks), batch, [True] * num_tasks, compile, make_method(name, {}), source)

    return Contestant(make, source.every)


def at_parameters(name: str) -> dict[str, Contestant]:
    """That method with the ways to look at the parameters."""
    return {
        f"{name}, parameters": ours(name, Sourcing("parameters")),
        f"{name}, parameters, every {EVERY}": ours(name, Sourcing("parameters", every=EVERY)),
        f"{name}, parameters, fraction {FRACTION}": ours(name, Sourcing("parameters", fraction=FRACTION)),
    }


def make_loop(batch: Batch, compile: str) -> Step:
    """A gradient of all parameters per task, one after the other."""
    network, method = make_network(batch), upgrad()
    shared = list(network.trunk.parameters())
    state = method.init(len(network.heads), batch.inputs.device)

    def step() -> object:
        nonlocal state
        _, losses = forward(network, batch)
        rows = []
        for head, loss in zip(network.heads, losses, strict=True):
            own = list(head.parameters())
            gradients = torch.autograd.grad(loss, shared + own, retain_graph=True)
            rows.append(torch.cat([gradient.flatten() for gradient in gradients[: len(shared)]]))
            set_gradients(own, gradients[len(shared) :])
        rows_KN = torch.stack(rows)
        weights_K, state = method.update(state, observe(batch, losses, rows_KN @ rows_KN.T))
        set_gradients(shared, (weights_K @ rows_KN).split([parameter.numel() for parameter in shared]))
        return network.optimizer.step()

    return step


def set_gradients(parameters: Iterable[nn.Parameter], gradients: Iterable[Tensor]) -> None:
    """For the optimizer."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.view_as(parameter)


def observe(batch: Batch, losses: list[Tensor], gramian_KK: Tensor) -> Observation:
    """What our method is told by the loop."""
    losses_K = torch.stack(losses).detach()
    return Observation(
        losses_K=losses_K,
        gramian_KK=gramian_KK,
        open_K=torch.ones_like(losses_K, dtype=torch.bool),
        uniforms_K=batch.uniforms_K,
        learning_rate=torch.full_like(losses_K[0], 1e-3),
        epoch_step=batch.number,
    )


def torchjd(chunk_size: int | None = None, lean: bool = False) -> Contestant:
    """TorchJD's backward pass of many losses.

    Args:
      chunk_size: losses that are differentiated at once; None: all.
      lean: whether the Jacobian's layers are kept apart, not copied into one matrix.
    """

    def make(batch: Batch, compile: str) -> Step:
        network, aggregator = make_network(batch), UPGrad()

        def step() -> object:
            network.optimizer.zero_grad()
            features, losses = forward(network, batch)
            mtl_backward(losses, features=features, parallel_chunk_size=chunk_size)
            jac_to_grad(network.trunk.parameters(), aggregator, optimize_gramian_computation=lean)
            return network.optimizer.step()

        return step

    return Contestant(make)


def make_autogram(batch: Batch, compile: str) -> Step:
    """TorchJD's Gramian; heads get weighted gradients."""
    network, weighting = make_network(batch), UPGradWeighting()
    engine = Engine(network.trunk, batch_dim=None)

    def step() -> object:
        network.optimizer.zero_grad()
        losses_K = torch.stack(forward(network, batch)[1])
        losses_K.backward(weighting(engine.compute_gramian(losses_K)))
        return network.optimizer.step()

    return step


JOINT = ours("joint")
OTHERS = {
    "joint, nn.Module": Contestant(lambda batch, compile: make_joint(batch)),
    "loop": Contestant(make_loop),
    "torchjd": torchjd(),
    "torchjd, one by one": torchjd(chunk_size=1),
    "torchjd, lean": torchjd(chunk_size=1, lean=True),
    "torchjd, autogram": Contestant(make_autogram),
}
