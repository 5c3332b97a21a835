"""`mtl.backward` fills `.grad`: as autograd and TorchJD do where they mean the same, and refuses what it cannot do."""

import copy
from collections.abc import Callable
from functools import partialmethod
from typing import Any

import cvxpy
import pytest
import torch
from torch import Tensor, nn
from torchjd import aggregation as theirs
from torchjd import autojac, linalg

import mtl
from mtl.methods.base import AnyMethod

TASKS = ("a", "b", "c")
FACTORIES = {"joint": mtl.methods.equal} | mtl.methods.METHODS


class Network(nn.Module):
    """Three heads of different widths on one trunk, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh())
        self.heads = nn.ModuleDict({task: nn.Linear(6, width) for task, width in zip(TASKS, (1, 3, 2), strict=True)})
        self.double()

    def losses(self, features: Tensor) -> dict[str, Tensor]:
        return {
            task: (head(features) - number).square().mean() for number, (task, head) in enumerate(self.heads.items())
        }


def make_network(seed: int = 0) -> tuple[Network, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(), torch.randn(12, 20, dtype=torch.float64)


def gradients(module: nn.Module) -> dict[str, Tensor | None]:
    return {name: parameter.grad for name, parameter in module.named_parameters()}


def backward(net: Network, inputs: Tensor, method: AnyMethod, level: str, **options: Any) -> Any:
    features = net.trunk(inputs)
    where = {"features": features} if level == "features" else {"shared": net.trunk.parameters()}
    return mtl.backward(net.losses(features), method, **where, **options)


AGGREGATORS: dict[str, tuple[AnyMethod, Callable[[], Any]]] = {
    "mean": (mtl.methods.constant(), theirs.Mean),
    "sum": (mtl.methods.equal(), theirs.Sum),
    "upgrad": (mtl.methods.upgrad(), lambda: theirs.UPGrad(projector=linalg.QuadprogProjector(reg_eps=1e-9))),
    "dual_proj": (mtl.methods.dual_proj(), lambda: theirs.DualProj(projector=linalg.QuadprogProjector(reg_eps=1e-9))),
    "aligned_mtl": (mtl.methods.aligned_mtl(), theirs.AlignedMTL),
    # Their Frank-Wolfe stops early at its defaults. It gets here since the optimum lies inside the simplex.
    "mgda": (mtl.methods.mgda(), lambda: theirs.MGDA(epsilon=1e-12, max_iters=1000)),
    "imtl_g": (mtl.methods.imtl_g(), theirs.IMTLG),
    "cagrad": (mtl.methods.cagrad(0.4), lambda: theirs.CAGrad(c=0.4)),
    "conflict_free": (mtl.methods.conflict_free(), theirs.ConFIG),
    "fairgrad": (mtl.methods.fairgrad(2.0), lambda: theirs.FairGrad(alpha=2.0)),
    "trimmed_mean": (mtl.methods.trimmed_mean(1), lambda: theirs.TrimmedMean(trim_number=1)),
}


@pytest.fixture(autouse=True)
def exact_clarabel(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its defaults, TorchJD's CAGrad is off by 1e-4."""
    tight = {f"tol_{name}": 1e-13 for name in ("gap_abs", "gap_rel", "feas", "ktratio")}
    monkeypatch.setattr(cvxpy.Problem, "solve", partialmethod(cvxpy.Problem.solve, **tight))


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("name", AGGREGATORS)
def test_at_shared_parameters_as_torchjds_mtl_backward(name: str) -> None:
    method, make_theirs = AGGREGATORS[name]
    ours, inputs = make_network()
    other = copy.deepcopy(ours)
    weights, _ = backward(ours, inputs, method, "shared")

    features = other.trunk(inputs)
    autojac.mtl_backward(list(other.losses(features).values()), features=features)
    autojac.jac_to_grad(other.trunk.parameters(), make_theirs())
    if name == "mean":  # a weighted loss to us, so that heads are weighted too
        for parameter in other.heads.parameters():
            parameter.grad = parameter.grad / 3.0
    torch.testing.assert_close(gradients(ours), gradients(other), rtol=1e-5, atol=1e-7)
    assert list(weights) == list(TASKS)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("name", AGGREGATORS)
def test_at_features_as_torchjds_backward(name: str) -> None:
    """TorchJD aggregates at the features, and the trunk is pulled back once."""
    method, make_theirs = AGGREGATORS[name]
    ours, inputs = make_network()
    other = copy.deepcopy(ours)
    backward(ours, inputs, method, "features")

    features = other.trunk(inputs)
    cut = features.detach().requires_grad_()
    autojac.backward(list(other.losses(cut).values()), inputs=[cut])
    autojac.jac_to_grad([cut], make_theirs())
    features.backward(cut.grad)
    torch.testing.assert_close(gradients(ours.trunk), gradients(other.trunk), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("level", ["features", "shared"])
def test_equal_weights_are_plain_backward_and_add_up(level: str) -> None:
    ours, inputs = make_network()
    other = copy.deepcopy(ours)
    state = None
    for _ in range(2):
        _, state = backward(ours, inputs, mtl.methods.equal(), level, state=state)
        torch.stack(list(other.losses(other.trunk(inputs)).values())).sum().backward()
    torch.testing.assert_close(gradients(ours), gradients(other))
    torch.testing.assert_close(ours.state_dict(), other.state_dict())
    assert int(state.step) == 2


@pytest.mark.parametrize("level", ["features", "shared"])
def test_a_dropped_task_leaves_no_trace(level: str) -> None:
    """Its NaN does not pass, its head gets None, and the others' weights are those without it."""
    with_it, inputs = make_network()
    without = copy.deepcopy(with_it)
    nn.init.constant_(with_it.heads["b"].weight, torch.nan)
    weights, _ = backward(with_it, inputs, mtl.methods.upgrad(), level, gates={"a": True, "b": False, "c": True})

    features = without.trunk(inputs)
    losses = {task: loss for task, loss in without.losses(features).items() if task != "b"}
    where = {"features": features} if level == "features" else {"shared": list(without.trunk.parameters())}
    expected, _ = mtl.backward(losses, mtl.methods.upgrad(), **where)
    torch.testing.assert_close(gradients(with_it), gradients(without))
    torch.testing.assert_close(weights, expected | {"b": torch.zeros(())})
    assert with_it.heads["b"].weight.grad is None


@pytest.mark.parametrize("level", ["features", "shared"])
@pytest.mark.parametrize("name", FACTORIES)
def test_every_method_takes_three_steps_or_says_why_not(name: str, level: str) -> None:
    net, inputs = make_network()
    method, state = FACTORIES[name](), None
    if not method.at_features and level == "features":
        refused = "give backward the shared parameters"
    elif "halves" in method.looks_at:
        refused = "use make_train_step"
    else:
        refused = ""
    if refused:
        with pytest.raises(mtl.UserError, match=refused):
            backward(net, inputs, method, level)
        return
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for number in range(3):
        weights, state = backward(net, inputs, method, level, state=state, learning_rate=0.01, number=number)
        optimizer.step()
        optimizer.zero_grad()
    assert all(torch.isfinite(weight) for weight in weights.values())
    assert all(torch.isfinite(parameter).all() for parameter in net.parameters())


def test_the_draw_follows_seed_and_step() -> None:
    net, inputs = make_network()
    method = mtl.methods.random_weighting()
    first, state = backward(net, inputs, method, "features", seed=3)
    again, _ = backward(net, inputs, method, "features", seed=3)
    later, _ = backward(net, inputs, method, "features", seed=3, state=state)
    assert first == again
    assert first != later


def test_two_trunks_side_by_side() -> None:
    """Tasks that read other features have no coordinate in common; the sum is autograd's."""
    (one, inputs), (two, _) = make_network(), make_network(seed=1)
    expected = copy.deepcopy((one, two))
    seen = [one.trunk(inputs), two.trunk(inputs)]
    losses = {"one": one.losses(seen[0])["a"], "two": two.losses(seen[1])["a"], "both": (seen[0] * seen[1]).mean()}
    mtl.backward(losses, mtl.methods.equal(), features=seen)
    seen = [net.trunk(inputs) for net in expected]
    (expected[0].losses(seen[0])["a"] + expected[1].losses(seen[1])["a"] + (seen[0] * seen[1]).mean()).backward()
    torch.testing.assert_close(gradients(one), gradients(expected[0]))
    torch.testing.assert_close(gradients(two), gradients(expected[1]))


def test_what_is_refused() -> None:
    net, inputs = make_network()
    features = net.trunk(inputs)
    losses, method = net.losses(features), mtl.methods.upgrad()
    with pytest.raises(mtl.UserError, match="either features"):
        mtl.backward(losses, method)
    with pytest.raises(mtl.UserError, match="either features"):
        mtl.backward(losses, method, features=features, shared=net.trunk.parameters())
    with pytest.raises(mtl.UserError, match="no task is on"):
        mtl.backward(losses, method, features=features, gates=dict.fromkeys(TASKS, False))
    with pytest.raises(mtl.UserError, match=r"reached by b.*and by a"):
        mtl.backward(losses, method, shared=net.trunk[3].parameters())
    with pytest.raises(mtl.UserError, match=r"reached by a.*what is shared"):
        mtl.backward({"a": losses["a"] + net.trunk[0].weight.sum(), "b": losses["b"]}, method, features=features)
    with pytest.raises(mtl.UserError, match="depends on no parameter"):
        mtl.backward(losses | {"c": torch.tensor(1.0)}, method, features=features)
    shallow = net.trunk[:3](inputs)
    deep = net.trunk[3:](shallow)
    with pytest.raises(mtl.UserError, match="made of others"):
        mtl.backward({"a": net.losses(deep)["a"], "b": shallow.mean()}, method, features=[shallow, deep])
    with pytest.raises(mtl.UserError, match="no graph"):
        mtl.backward(losses, method, features=features.detach())
    with pytest.raises(mtl.UserError, match=r"that of b is -"):
        mtl.backward(losses | {"b": -losses["b"]}, mtl.methods.scale_invariant(), features=features)
    assert all(parameter.grad is None for parameter in net.parameters())
