"""Time from the Gramian to the weights: our methods against TorchJD's, and against solvers called without either.

Contestants, on the same float32 Gramians of K gradients:
  ours      `update` of every method in mtl.methods.METHODS whose answer depends on the Gramian: torch, fixed steps
  compiled  the same under torch.compile, with --compile
  torchjd   TorchJD's method of that name, as it comes: cvxpy (CAGrad, Nash-MTL), quadprog (UPGrad, DualProj), SciPy
            (FairGrad), Frank-Wolfe (MGDA), loops and decompositions in torch (the others)
  bare      a float64 solver on NumPy arrays that stops when it is done: quadprog's active set, Clarabel, Newton's
            method, LAPACK

They take turns in one process, so that a slow second of the machine hits all of them; what is reported are ratios of
neighbouring calls: their median and quartiles. `error` is |d - d*| / |d*|, with d the direction and d* that of `bare`,
whose tolerance is tight: who is fast because he stops early shows it here. Ours has the 1e-6 that it adds to a
diagonal. Methods that draw an order, smooth over steps or move weights by a step have no d*.

Gradients are normal random numbers with a part in common, their norms differ by up to a factor of 4, and they have 4 K
coordinates; drawn anew in each round. Of the pairs, 36% conflict at K = 8 and 23% at K = 40; the mean conflicts with a
gradient in 13% and in under 1% of the rounds, so DualProj mostly has nothing to project. TorchJD's Nash-MTL and ConFIG
take gradients in place of Gramians: with as many coordinates as a network has parameters, they take longer. States are
carried along, the last solution too, from which TorchJD's Nash-MTL starts.

Command: python benchmarks/solver_time.py [--compile]    writes artifacts/benchmarks/solver_time_<device>.json
"""

import time
import warnings
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import clarabel
import numpy as np
import quadprog
import scipy.sparse
import torch
from absl import app, flags
from result import write_result
from torch import Tensor
from torchjd import aggregation

from mtl.bench.table import aligned
from mtl.bench.timing import quartiles, seconds
from mtl.methods import METHODS
from mtl.methods.base import Method, Observation, known_gramian
from mtl.training.compile import maybe_compile

NAMES = flags.DEFINE_multi_enum("methods", [], METHODS, "may be given several times; or all that look at the Gramian")
NUM_TASKS = flags.DEFINE_multi_integer("num_tasks", [8, 40], "K; may be given several times")
SECONDS = flags.DEFINE_float("seconds", 10.0, "rounds of a method begin for this long, for each K")
MAX_ROUNDS = flags.DEFINE_integer("max_rounds", 200, "turns that each contestant takes at most, and 3 at least")
COMPILE = flags.DEFINE_bool("compile", False, "also ours under torch.compile: a minute and more per method and K")
NUM_WARMUP, MIN_ROUNDS = 2, 3
COMMON = 0.25  # standard deviation of the part in common, for 1 of a gradient's own
PEERS = "torchjd cvxpy clarabel ecos quadprog qpsolvers scipy".split()


class Problem(NamedTuple):
    """Gradients and what a method observes of them."""

    gradients_KN: Tensor
    observation: Observation


Solver = Callable[[Problem], Tensor]  # weights [K], or the direction itself [N]
Round = dict[str, tuple[float, Tensor]]  # of each contestant: seconds, direction [N]


def make_problem(generator: np.random.Generator, num_tasks: int, device: torch.device) -> Problem:
    """Draws gradients of a batch; of its halves they are those with noise added, and with the same noise taken away."""
    shape = (num_tasks, 4 * num_tasks)
    norms_K1 = generator.uniform(0.5, 2.0, (num_tasks, 1))
    whole_KN = norms_K1 * (COMMON * generator.standard_normal(shape[1]) + generator.standard_normal(shape))
    noise_KN = norms_K1 * generator.standard_normal(shape)
    tensors = (whole_KN, whole_KN + noise_KN, whole_KN - noise_KN)
    gradients_KN, first_KN, second_KN = (torch.tensor(a, dtype=torch.float32, device=device) for a in tensors)
    observation = Observation(
        losses_K=torch.tensor(generator.uniform(0.1, 1.0, num_tasks), dtype=torch.float32, device=device),
        gramian_KK=gradients_KN @ gradients_KN.T,
        halves_KK=first_KN @ second_KN.T,
        open_K=torch.ones(num_tasks, dtype=torch.bool, device=device),
        uniforms_K=torch.tensor(generator.random(num_tasks), dtype=torch.float32, device=device),
        learning_rate=torch.tensor(1e-3, device=device),
        epoch_step=torch.tensor(0, device=device),
    )
    return Problem(gradients_KN, observation)


def looks_at_gramian(method: Method[Any]) -> bool:
    """Whether a solver makes its weights of inner products, those of two halves included."""
    return "gradients" not in method.looks_at and not {"gramian", "halves"}.isdisjoint(method.looks_at)


def ours(method: Method[Any], num_tasks: int, device: torch.device, compile: str = "off") -> Solver:
    """Our method, its state carried along."""
    state = method.init(num_tasks, device)
    update = maybe_compile(method.update, compile, device)

    def solve(problem: Problem) -> Tensor:
        nonlocal state
        weights_K, state = update(state, problem.observation)
        return weights_K

    return solve


def torchjd(name: str, num_tasks: int) -> Solver | None:
    """TorchJD's solver for the method of that name, with the options that ours has by default."""
    gradients, gramian, halves = map(attrgetter, ("gradients_KN", "observation.gramian_KK", "observation.halves_KK"))
    weightings: dict[str, tuple[Callable[[Problem], Tensor], Callable[[], Callable[[Tensor], Tensor]]]] = {
        "aligned_mtl": (gramian, aggregation.AlignedMTLWeighting),
        "cagrad": (gramian, partial(aggregation.CAGradWeighting, c=0.4)),
        "conflict_free": (gradients, aggregation.ConFIG),
        "cr_mogm": (gramian, lambda: aggregation.CRMOGMWeighting(aggregation.MGDAWeighting())),
        "dual_proj": (gramian, aggregation.DualProjWeighting),
        "fairgrad": (gramian, partial(aggregation.FairGradWeighting, alpha=2.0)),
        "gradvac": (gramian, partial(aggregation.GradVacWeighting, beta=0.01)),
        "imtl_g": (gramian, aggregation.IMTLGWeighting),
        "krum": (gramian, partial(aggregation.KrumWeighting, n_byzantine=1)),
        "mgda": (gramian, aggregation.MGDAWeighting),
        "modo": (halves, aggregation.MoDoWeighting),
        "nash_mtl": (gradients, lambda: aggregation.NashMTL(num_tasks, max_norm=0.0).weighting),  # |d| is not cut
        "pcgrad": (gramian, aggregation.PCGradWeighting),
        "primary": (gramian, aggregation.PCDWeighting),
        "sdmgrad": (halves, aggregation.SDMGradWeighting),
        "upgrad": (gramian, aggregation.UPGradWeighting),
    }
    if name not in weightings:
        return None
    of, make = weightings[name]
    weighting = make()
    return lambda problem: weighting(of(problem))


def bare(name: str) -> Solver | None:
    """The bare solver of the method of that name, for Gramians of full rank."""
    if name not in BARE:
        return None

    def solve(problem: Problem) -> Tensor:
        weights_K = BARE[name](known_gramian(problem.observation).cpu().numpy().astype(np.float64))
        return torch.from_numpy(weights_K).to(problem.gradients_KN.device)

    return solve


def shortest(gramian_KK: np.ndarray) -> np.ndarray:
    """MGDA."""
    num_tasks = len(gramian_KK)
    constraints = np.hstack([np.ones((num_tasks, 1)), np.eye(num_tasks)])  # the first is an equation
    return quadprog.solve_qp(gramian_KK, np.zeros(num_tasks), constraints, np.eye(num_tasks + 1)[0], 1)[0]


def projected(gramian_KK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """DualProj of the gradients' sum with those weights."""
    return quadprog.solve_qp(gramian_KK, np.zeros_like(weights_K), np.eye(len(weights_K)), weights_K)[0]


def dual_proj(gramian_KK: np.ndarray) -> np.ndarray:
    """The mean's projection."""
    return projected(gramian_KK, np.full(len(gramian_KK), 1.0 / len(gramian_KK)))


def upgrad(gramian_KK: np.ndarray) -> np.ndarray:
    """Every gradient's projection."""
    return np.sum([projected(gramian_KK, unit_K) for unit_K in np.eye(len(gramian_KK)) / len(gramian_KK)], axis=0)


def cagrad(gramian_KK: np.ndarray, c: float = 0.4) -> np.ndarray:
    """min <g_v, g_0> + c |g_0| s over v in the simplex and s >= |g_v|, a second-order cone program."""
    num_tasks, scale = len(gramian_KK), gramian_KK.trace() / len(gramian_KK)
    root_KK = np.linalg.cholesky(gramian_KK / scale)
    mean_K = np.full(num_tasks, 1.0 / num_tasks)
    radius = c * np.linalg.norm(root_KK.T @ mean_K)
    constraints = np.zeros((2 + 2 * num_tasks, 1 + num_tasks))  # of (s, v); what they leave lies in the cones below
    constraints[0, 1:] = 1.0
    constraints[1 : 1 + num_tasks, 1:] = -np.eye(num_tasks)
    constraints[1 + num_tasks, 0] = -1.0
    constraints[2 + num_tasks :, 1:] = -root_KK.T
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = settings.tol_ktratio = 1e-13
    solution = clarabel.DefaultSolver(
        scipy.sparse.csc_matrix((1 + num_tasks, 1 + num_tasks)),
        np.concatenate([[radius], root_KK @ (root_KK.T @ mean_K)]),
        scipy.sparse.csc_matrix(constraints),
        np.eye(len(constraints))[0],
        [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(num_tasks), clarabel.SecondOrderConeT(1 + num_tasks)],
        settings,
    ).solve()
    worst_K = np.array(solution.x)[1:]
    return mean_K + radius * worst_K / np.linalg.norm(root_KK.T @ worst_K)


def fairgrad(gramian_KK: np.ndarray, alpha: float) -> np.ndarray:
    """M w = w^-p, p = 1 / alpha, by Newton's method on w^p M w = 1, kept positive; Nash-MTL for alpha = 1."""
    power = 1.0 / alpha
    weights_K = gramian_KK.diagonal() ** (-1.0 / (1.0 + power))
    for _ in range(100):
        inner_K = gramian_KK @ weights_K
        gap_K = weights_K**power * inner_K - 1.0
        if np.abs(gap_K).max() < 1e-10:
            return weights_K
        jacobian_KK = weights_K[:, None] ** power * gramian_KK + np.diag(power * weights_K ** (power - 1.0) * inner_K)
        step_K = np.linalg.solve(jacobian_KK, -gap_K)
        weights_K = weights_K + step_K / max(1.0, (-step_K / weights_K).max() / 0.9)
    raise AssertionError("Newton's method did not converge")


def imtl_g(gramian_KK: np.ndarray) -> np.ndarray:
    """Equal projections, of sum 1."""
    weights_K = np.linalg.solve(gramian_KK, np.sqrt(gramian_KK.diagonal()))
    return weights_K / weights_K.sum()


def conflict_free(gramian_KK: np.ndarray) -> np.ndarray:
    """IMTL-G's direction, as long as the gradients push along it."""
    weights_K = imtl_g(gramian_KK)
    inner_K = gramian_KK @ weights_K
    return weights_K * inner_K.sum() / (weights_K @ inner_K)


def aligned_mtl(gramian_KK: np.ndarray) -> np.ndarray:
    """Condition number 1."""
    eigenvalues_K, vectors_KK = np.linalg.eigh(gramian_KK)
    return vectors_KK @ (np.sqrt(eigenvalues_K[0] / eigenvalues_K) * vectors_KK.mean(0))


BARE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "aligned_mtl": aligned_mtl,
    "cagrad": cagrad,
    "conflict_free": conflict_free,
    "dual_proj": dual_proj,
    "fairgrad": partial(fairgrad, alpha=2.0),
    "imtl_g": imtl_g,
    "mgda": shortest,
    "nash_mtl": partial(fairgrad, alpha=1.0),
    "upgrad": upgrad,
}


def make_solvers(name: str, num_tasks: int, device: torch.device) -> dict[str, Solver]:
    """The contestants for a method."""
    method = METHODS[name]()
    solvers = {
        "ours": ours(method, num_tasks, device),
        "compiled": ours(method, num_tasks, device, "on") if COMPILE.value else None,
        "torchjd": torchjd(name, num_tasks),
        "bare": bare(name),
    }
    return {contestant: solver for contestant, solver in solvers.items() if solver is not None}


def play(solvers: dict[str, Solver], problem: Problem) -> Round:
    """A round: the time that each contestant takes, and its direction in float64."""
    gradients_KN = problem.gradients_KN.to(torch.float64)

    def turn(solver: Solver) -> tuple[float, Tensor]:
        answers: list[Tensor] = []
        taken = seconds(lambda: answers.append(solver(problem)), gradients_KN.device)
        answer = answers[0].to(torch.float64)
        return taken, answer if len(answer) == gradients_KN.shape[1] else answer @ gradients_KN

    return {contestant: turn(solver) for contestant, solver in solvers.items()}


def measure(name: str, num_tasks: int, device: torch.device) -> dict[str, Any]:
    """Rounds of a method's contestants until the time is up."""
    generator, solvers = np.random.default_rng(num_tasks), make_solvers(name, num_tasks, device)
    for _ in range(NUM_WARMUP):
        play(solvers, make_problem(generator, num_tasks, device))
    rounds: list[Round] = []
    end = time.perf_counter() + SECONDS.value
    while len(rounds) < MIN_ROUNDS or (len(rounds) < MAX_ROUNDS.value and time.perf_counter() < end):
        rounds.append(play(solvers, make_problem(generator, num_tasks, device)))
    times = {contestant: np.array([played[contestant][0] for played in rounds]) for contestant in solvers}
    pairs = [(a, b) for a in ("ours", "compiled") for b in ("torchjd", "bare") if a in solvers and b in solvers]
    return {
        "seconds": {contestant: quartiles(values) for contestant, values in times.items()},
        "ratio": {f"{a} / {b}": quartiles(times[a] / times[b]) for a, b in pairs},
        "error": {a: quartiles(errors(rounds, a)) for a in solvers if a != "bare" and "bare" in solvers},
        "num_rounds": len(rounds),
    }


def errors(rounds: list[Round], contestant: str) -> np.ndarray:
    """|d - d*| / |d*| in each round."""
    pairs = ((played[contestant][1], played["bare"][1]) for played in rounds)
    return np.array([((direction - best).norm() / best.norm()).item() for direction, best in pairs])


def table(methods: dict[str, dict[str, Any]]) -> str:
    """A line per K and method, in aligned columns."""
    entries = [(size, name, methods[name][size]) for size in map(str, NUM_TASKS.value) for name in methods]
    columns = list(dict.fromkeys((kind, key) for kind in CELLS for _, _, found in entries for key in found[kind]))
    lines = [["K", "method", *(f"{kind.replace('seconds', 'ms')} {key}" for kind, key in columns), "rounds"]]
    for size, name, found in entries:
        cells = (CELLS[kind](found[kind][key]) if key in found[kind] else "" for kind, key in columns)
        lines.append([size, name, *cells, str(found["num_rounds"])])
    return aligned(lines)


CELLS: dict[str, Callable[[dict[str, float]], str]] = {
    "seconds": lambda found: f"{1e3 * found['median']:.2f}",
    "ratio": lambda found: "{median:.2f} ({quartile_1:.2f} to {quartile_3:.2f})".format(**found),
    "error": lambda found: f"{found['median']:.0e}",
}


def main(_: list[str]) -> None:
    warnings.filterwarnings("ignore", module=r"cvxpy|torchjd|torch\._inductor")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    names = NAMES.value or [name for name, factory in METHODS.items() if looks_at_gramian(factory())]
    methods = {
        name: {str(num_tasks): measure(name, num_tasks, device) for num_tasks in NUM_TASKS.value} for name in names
    }
    result = {
        "methods": methods,
        "setting": {
            "num_tasks": NUM_TASKS.value,
            "num_dimensions": [4 * num_tasks for num_tasks in NUM_TASKS.value],
            "common": COMMON,
            "dtype": "float32",
            "compile": COMPILE.value,
            "seconds": SECONDS.value,
            "max_rounds": MAX_ROUNDS.value,
        },
    }
    write_result(f"solver_time_{device.type}", result, device, PEERS)
    print(table(methods))


if __name__ == "__main__":
    app.run(main)
