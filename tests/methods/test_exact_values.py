"""Every method's weights on one small problem, worked out without its code. Three tasks; T steps.

  g_1 = (2, 0, 1), g_2 = (0, 3, -2), g_3 = (1, -2, 4):  g_2 conflicts with both others, and

      M = [[5, -2, 6], [-2, 13, -14], [6, -14, 21]],   169 M^-1 = [[77, -42, -50], [-42, 69, 58], [-50, 58, 61]]

From the second step on, the gradients are (1, 0, 0), (0, 2, 0), (0, 0, 3). A row has the weights of as many steps as it
takes to see what the method remembers; of a method that looks at the gradients themselves, the direction.
"""

from collections.abc import Mapping
from math import exp, log, sqrt
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from mtl.methods import METHODS
from mtl.methods.base import first_state
from mtl.methods.equal import equal
from tests.methods.properties import CPU, observe, to_dtype

LOSSES = [(1 / 4, 1, 4), (1 / 8, 3, 1), (3 / 16, 1, 5), (1, 1, 1)]
EPOCH_STEPS = [0, 1, 0, 0]  # the first epoch has two steps, the others one
UNIFORMS = (0.3, 0.6, 0.9)
LEARNING_RATE = 0.1
GRADIENTS = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, -2.0], [1.0, -2.0, 4.0]])
GRADIENTS_AFTER = np.diag([1.0, 2.0, 3.0])
GRAMIAN = GRADIENTS @ GRADIENTS.T
# The halves' gradients are the batch's plus and minus diag(1, -1, 1).
HALVES = np.array([[4.0, -2.0, 6.0], [-2.0, 12.0, -10.0], [6.0, -18.0, 20.0]])
HALVES_AFTER = np.diag([0.0, 3.0, 8.0])

Weights = tuple[float, ...]


class Row(NamedTuple):
    """`steps`: weights or directions of the first steps, as many as are given; `reason`: where they come from."""

    name: str
    steps: list[Weights]
    reason: str
    options: Mapping[str, Any] = MappingProxyType({})

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{name}={value}" for name, value in self.options.items())])


def proportional(*values: float, total: float = 1.0) -> Weights:
    """The values, times what brings their sum to `total`."""
    return tuple(total * value / sum(values) for value in values)


def softmax(*logits: float, total: float = 1.0) -> Weights:
    return proportional(*map(exp, logits), total=total)


def sigmoid(logit: float) -> float:
    return 1 / (1 + exp(-logit))


def adam(first: float, second: float) -> float:
    """Adam's second step, in learning rates, after these gradients. The first is the first one's sign."""
    mean = (0.9 * first + second) / 1.9
    return mean / sqrt((0.999 * first**2 + second**2) / 1.999)


def variation(*ratios: float) -> float:
    """CoV's: standard deviation over mean, with the variance's floor."""
    return float(np.sqrt(np.var(ratios) + 1e-8) / np.mean(ratios))


# Losses only.

UP, DOWN = exp(LEARNING_RATE), exp(-LEARNING_RATE)
QUANTILES = [NormalDist().inv_cdf(uniform) for uniform in UNIFORMS]
# DTP: kappa in the second step, from exp(-L) of both.
KAPPA = [0.9 * exp(-first) + 0.1 * exp(-second) for first, second in zip(*LOSSES[:2], strict=True)]
# FAMO: log L falls by log 2, -log 3, log 4. The mean of these is log(8/3) / 3 = 0.33, so the gradient of xi_2 alone is
# negative. Then log L falls by log 2/3, log 3, -log 5, and xi is +-0.025.
FAMO_FIRST = [(progress - log(8 / 3) / 3) / 3 for progress in (log(2), -log(3), log(4))]
FAMO_XI, FAMO_Z = np.array([-0.025, 0.025, -0.025]), np.array(softmax(-0.025, 0.025, -0.025))
FAMO_PROGRESS = np.array([log(2 / 3), log(3), -log(5)])
FAMO_SECOND = FAMO_Z * (FAMO_PROGRESS - FAMO_Z @ FAMO_PROGRESS) + 1e-3 * FAMO_XI
FAMO_MOVED = FAMO_XI - 0.025 * np.array([adam(*pair) for pair in zip(FAMO_FIRST, FAMO_SECOND, strict=True)])
FAMO_AFTER = proportional(*np.exp(FAMO_MOVED) / LOSSES[2])
# GO4Align: omega = gamma (sum L) / L, gamma proportional to exp(-1e-4 (sum of L so far)). In the first step about
# (7, 7/4, 7/16), in the second about (11, 11/24, 11/8): the first task is a group alone, the others share a mean.
OMEGA = [
    [gamma * sum(losses) / loss for gamma, loss in zip(softmax(*logits), losses, strict=True)]
    for losses, logits in [(LOSSES[0], (-0.25e-4, -1e-4, -4e-4)), (LOSSES[1], (-0.375e-4, -4e-4, -5e-4))]
]

LOSS_ROWS = [
    # The mean is 7/4, from which the losses are 3/4 (-2, -1, 3) away.
    Row(
        "boundary_intersection",
        [tuple(sqrt(1 / 3) + 5 * away / sqrt(14) for away in (-2, -1, 3))],
        "1 / sqrt(3) + theta (L - 7/4) / |L - 7/4|",
    ),
    # L over the mean of the losses before is 1 and 1/2, 1 and 3, 1 and 1/4; then the means are (3/16, 2, 5/2).
    Row(
        "coefficient_of_variation",
        [
            (1 / 3, 1 / 3, 1 / 3),
            (1 / 3, 1 / 3, 1 / 3),
            proportional(variation(1, 1 / 2), variation(1, 3), variation(1, 1 / 4)),
            proportional(variation(1, 1 / 2, 1), variation(1, 3, 1 / 2), variation(1, 1 / 4, 2)),
        ],
        "std / mean of these ratios; equal until there are two",
    ),
    Row("constant", [(1 / 3, 1 / 3, 1 / 3)], "the mean"),
    Row("constant", [(1, 2, 3)], "as given", {"weights": (1.0, 2.0, 3.0)}),
    # |L|^2 = 273/16 and sum L = 21/4, so u_t sum u = 4 L_t / 13, and 1 - that is 3/13 (4, 3, -1).
    Row(
        "cosmos",
        [tuple(1 / 3 - 4 * away / (13 * sqrt(91)) for away in (4, 3, -1))],
        "1/3 - (4 / sqrt(3 273)) 3/13 (4, 3, -1)",
    ),
    Row(
        "dynamic_task_prioritization",
        [
            ((1 - exp(-1 / 4)) / 4, 1 - exp(-1), (1 - exp(-4)) * 4),
            tuple(-(1 - kappa) * log(kappa) for kappa in KAPPA),
        ],
        "-(1 - kappa) log kappa, kappa = exp(-L) at first",
    ),
    Row(
        "dynamic_weight_average",
        [(1, 1, 1), (1, 1, 1), (1, 1, 1), softmax(1 / 2, 1 / 4, 1, total=3)],
        "epochs' means (3/16, 2, 5/2), then (3/16, 1, 5): ratios 1, 1/2, 2, over T = 2",
    ),
    Row("equal", [(1, 1, 1)], "the sum"),
    Row(
        "famo",
        [proportional(4, 1, 1 / 4), proportional(8 * exp(-0.025), exp(0.025) / 3, exp(-0.025)), FAMO_AFTER],
        "z / L over their sum, xi = 0, then -+0.025, then by Adam",
    ),
    Row("geometric", [(4 / 3, 1 / 3, 1 / 12)], "1 / (3 L): the geometric mean is 1"),
    Row(
        "go4align",
        [(omega[0], (omega[1] + omega[2]) / 2, (omega[1] + omega[2]) / 2) for omega in OMEGA],
        "the groups' means of omega",
    ),
    Row("group_dro", [softmax(0.0025, 0.01, 0.04), softmax(0.00375, 0.04, 0.05)], "softmax of 0.01 (sum of L so far)"),
    Row(
        "improvable_gap",
        [(4, 1, 1 / 4), (8, 1 / 3, 1), tuple(np.divide(softmax(1, 1 / 2, 2, total=3), LOSSES[2]))],
        "1 / L; then softmax(L / b) 3 / L, b = (3/16, 2, 5/2)",
        {"base_epoch": 0},
    ),
    Row("impartial_losses", [(1, 1, 1), (UP, 1, DOWN)], "e^s, first gradient L - 1 = (-3/4, 0, 3)"),
    # sigma L is in the order of L: (1/4, 1, 4) is rising, and of (1/8, 3, 1) the middle one is above both neighbours.
    Row(
        "ldc",
        [
            tuple(1 / 3 + 0.01 * sigmoid(1) * signs for signs in (-1, 0, 1)),
            tuple(1 / 3 + 0.01 * sigmoid(1 - LEARNING_RATE) * signs for signs in (-1, 2, -1)),
        ],
        "1/3 + penalty sigma (neighbours below - above); all a fall from 1",
    ),
    Row(
        "loss_balanced",
        [(1, 1, 1), (sqrt(1 / 2), sqrt(3), 1 / 2), (1, 1, 1)],
        "square roots of L over the epoch's first: 1/2, 3, 1/4; then a new epoch",
    ),
    Row(
        "loss_balanced",
        [(1, 1, 1), proportional(sqrt(1 / 2), sqrt(3), 1 / 2, total=3)],
        "the same, with the sum 3",
        {"scale": "code"},
    ),
    Row("random_weighting", [softmax(*QUANTILES)], "softmax of normal quantiles"),
    Row(
        "random_weighting",
        [proportional(log(10 / 7), log(10 / 4), log(10))],
        "exponential quantiles, -log(1 - u)",
        {"distribution": "dirichlet"},
    ),
    Row("random_weighting", [(0, 1, 1)], "binary digits: 0.01.., 0.10.., 0.11..", {"distribution": "bernoulli"}),
    Row("scale_invariant", [(4, 1, 1 / 4)], "1 / L"),
    Row(
        "smooth_tchebycheff",
        [proportional(exp(-125), exp(-100), 1, total=1 / 3)],
        "a third of softmax(L / (3 mu)) = softmax(100 L / 3): the largest loss alone",
    ),
    Row("smooth_tchebycheff", [softmax(1 / 12, 1 / 3, 4 / 3, total=1 / 3)], "softmax(L / 3) / 3", {"mu": 1.0}),
    Row(
        "smooth_tchebycheff",
        [(4, 1, 1 / 4), (8, 1 / 3, 1), (16 / 3, 1, 1 / 5), proportional(16 / 3, 1, 1 / 5, total=3)],
        "1 / L; the second epoch's means are (3/16, 1, 5); then softmax(log(1 / n)) 3",
        {"mu": 1.0, "warmup_epochs": 1},
    ),
    Row("soft_uncertainty", [softmax(0.4, 0.1, 0.025)], "softmax(1 / (10 L))"),
    Row("uncertainty", [(1, 1, 1), (UP, DOWN, DOWN)], "e^-s, first gradient 1/2 - L = (1/4, -1/2, -7/2)"),
]

# The Gramian.

R5, R13, R21 = sqrt(5), sqrt(13), sqrt(21)  # the gradients' norms
# 169 M^-1 |g|: coefficients of the direction with equal cosines to the gradients.
EQUAL_COSINES = (77 * R5 - 42 * R13 - 50 * R21, -42 * R5 + 69 * R13 + 58 * R21, -50 * R5 + 58 * R13 + 61 * R21)
CONFIG_LENGTH = (R5 + R13 + R21) / sum(norm * m for norm, m in zip((R5, R13, R21), EQUAL_COSINES, strict=True))
# CAGrad, c = 0.4: were all weight on g_2, which then gains -1 + r sqrt(13) = 1.1 for g_0's inner products (3, -1, 13/3)
# and r = 0.4 |g_0| = 0.58; the others gain more, so it is.
RADIUS = 0.4 * sqrt(19) / 3
# CAGrad, c = 0.8: g_1 gains more than g_2 and g_3, whose gains are one lambda, so -2/3 + 13 w_2 - 14 w_3 = lambda and
# 2 - 14 w_2 + 21 w_3 = lambda; |d - g_0|^2 = c^2 19/9 is 62 lambda^2 - 164 lambda + (1294 - 1463 c^2) / 9 = 0.
GAIN = (82 + sqrt(82**2 - 62 * (1294 - 1463 * 0.8**2) / 9)) / 62
# PCGrad: i visits j in the order of the fractions of 4096 (1 + u_i) u_j.
#   i = 1, fractions .44, .88, .32: 3, no conflict; 2, g_1' = g_1 + 2/13 g_2.
#   i = 2, fractions .08, .16, .24: 1, g_2' = g_2 + 2/5 g_1; 3, <g_2', g_3> = -14 + 12/5 = -58/5, so + 58/105 g_3.
#   i = 3, fractions .72, .44, .16: 2, g_3' = g_3 + 14/13 g_2; 1, <g_3', g_1> = 6 - 28/13 > 0.
PCGRAD = (1 + 2 / 5, 2 / 13 + 1 + 14 / 13, 58 / 105 + 1)
# Gradient Vaccine: targets are 0 at first, and then 0.01 times the cosines that were met. Two of these are positive: of
# g_1 and g_3, 6 / sqrt(5 21); of g_3' = g_3 + 14/13 g_2, whose square is 77/13, and g_1, (50/13) / sqrt(5 77/13). Of
# orthogonal gradients, those that are due a positive cosine p get it by |g_i| / |g_j| p / sqrt(1 - p^2) g_j.
TARGET_13, TARGET_31 = 0.01 * 6 / sqrt(105), 0.01 * (50 / 13) / sqrt(5 * 77 / 13)
TURN_13, TURN_31 = (target / sqrt(1 - target**2) for target in (TARGET_13, TARGET_31))
# MGDA of g_2 and g_3 alone: <g_2 - g_3, g_2> = 27 and <g_3 - g_2, g_3> = 35. |d|^2 = 77/62, and <g_1, d> = 92/62 is
# more, so g_1 stays out. Orthogonal gradients: proportional to 1 / |g|^2.
MGDA, MGDA_AFTER = (0, 35 / 62, 27 / 62), (36 / 49, 9 / 49, 4 / 49)
# GradNorm: the norms' mean is 3.5, which g_1 is below. In the second step the lengths w |g| are about (1, 2, 3), and
# L / L(0) = (1/2, 3, 1/4) over its mean, to the power of 3/2, is (0.25, 3.7, 0.09): g_2 alone is below 2 times that.
GRADNORM = softmax(0.025, -0.025, -0.025, total=3)
GRADNORM_AFTER = (
    GRADNORM[0] * exp(-0.025 * adam(-R5, GRADNORM[0])),
    GRADNORM[1] * exp(-0.025 * adam(R13, -2 * GRADNORM[1])),
    GRADNORM[2] * exp(-0.025 * adam(R21, 3 * GRADNORM[2])),
)
# PCD: at first the g'_t are unit gradients u_t, and u_1 misses <u_2, d> >= 0.02 by x = 0.02 + 2 / sqrt(65), which
# d' = u_1 + x u_2 makes up for; <u_3, d'> = 0.36 is above 0.02. Then v is (beta before + now) / (beta + 1) of
# both steps' squares, the g'_t are orthogonal and l_t long, and d' = l_1 u_1 + 0.02 l_2 u_2 + 0.02 l_3 u_3.
PCD_X = 0.02 + 2 / sqrt(65)
PCD_LENGTH = sqrt(1 - 4 / sqrt(65) * PCD_X + PCD_X**2)
PCD = (1 / PCD_LENGTH, R5 / R13 * PCD_X / PCD_LENGTH, 0)
PCD_AFTER = np.array([1 / sqrt(3.5 / 1.5), 0.02 * 2 / sqrt(10.5 / 1.5), 0.02 * 3 / sqrt(19.5 / 1.5)])  # beta = 1/2

GRAMIAN_ROWS = [
    Row("aligned_mtl", [(3 / 39, 9 / 39, 7 / 39)], "G is its own root of M, with least eigenvalue 1: G^-1 1/3"),
    Row("cagrad", [(1 / 3, 1 / 3 + RADIUS / R13, 1 / 3)], "1/3 + r v / |g_v|, v = (0, 1, 0)"),
    Row(
        "cagrad",
        [tuple(3 / 1.16 * w for w in (1 / 3, 1 / 3 + RADIUS / R13, 1 / 3))],
        "times 3 / (1 + c^2)",
        {"scale": "code"},
    ),
    Row("cagrad", [(1 / 3, (5 * GAIN - 2) / 11, (81 * GAIN - 50) / 231)], "v on g_2 and g_3", {"c": 0.8}),
    Row(
        "conflict_free",
        [tuple(CONFIG_LENGTH * m for m in EQUAL_COSINES)],
        "m = M^-1 |g|, times (sum |g|) / <|g|, m>, with which <g_i / |g_i|, d> is the mean norm",
    ),
    Row(
        "cr_mogm",
        [MGDA, tuple(0.9 * before + 0.1 * after for before, after in zip(MGDA, MGDA_AFTER, strict=True))],
        "MGDA's, nine tenths of them the step before's",
    ),
    Row("dual_proj", [(1 / 3, 16 / 39, 1 / 3)], "v >= 1/3; v_2 makes <g_2, d> = -2/3 + 13 v_2 - 14/3 = 0"),
    Row("fairgrad", [(0.202094310, 0.550196164, 0.385728726)], "M w = w^(-1/2), by scipy.optimize.root"),
    Row(
        "gradient_norm_scaling",
        [(1 / R5, 1 / R13, 1 / R21), tuple(sqrt(1.5 / (0.5 * a + b)) for a, b in ((5, 1), (13, 4), (21, 9)))],
        "1 / |g|; then of (|g|^2 before / 2 + |g|^2) / 1.5",
        {"beta": 0.5},
    ),
    Row("gradvac", [PCGRAD, (1 + 3 * TURN_31, 1, 1 + TURN_13 / 3)], "PCGrad's, then turned by the targets"),
    Row(
        "gradnorm",
        [(1, 1, 1), GRADNORM, proportional(*GRADNORM_AFTER, total=3)],
        "log w, by Adam on sign(w |g| - target) w |g|",
    ),
    Row(
        "impartial",
        [proportional(*EQUAL_COSINES), tuple(w / (DOWN + 1 / 2 + UP / 3) for w in (1, 1 / 2, 1 / 3))],
        "IMTL-G's, then of the gradients (e^0.1, 2, 3 e^-0.1)",
    ),
    Row("imtl_g", [proportional(*EQUAL_COSINES)], "M^-1 |g|, of sum 1"),
    Row("krum", [(1, 0, 0)], "squared distances 22 from 1 to 2, 14 from 1 to 3, 62 from 2 to 3"),
    Row("krum", [(1 / 2, 0, 1 / 2)], "the nearest two", {"num_selected": 2}),
    Row("mgda", [MGDA, MGDA_AFTER], "the edge from g_2 to g_3; then 1 / |g|^2"),
    Row("nash_mtl", [(0.330531315, 0.648692219, 0.445026652)], "M w = 1 / w, by scipy.optimize.root"),
    Row("pcgrad", [PCGRAD], "by projections, one after the other"),
    Row("primary", [PCD], "|g_1| d' / |d'|"),
    Row("primary", [PCD, tuple(PCD_AFTER / np.linalg.norm(PCD_AFTER) / (1, 2, 3))], "likewise", {"beta": 0.5}),
    # e_1 / 3 conflicts with g_2 alone, by -2/3: 2/39 g_2. e_2 / 3 with both others; 2/9 g_3 makes up for -14/3, and for
    # g_1's -2/3 too. e_3 / 3 with g_2 alone, by -14/3: 14/39 g_2.
    Row("upgrad", [(1 / 3, 1 / 3 + 2 / 39 + 14 / 39, 1 / 3 + 2 / 9)], "the sum of three projections"),
]

# The halves' inner products H_ij = <g_i, g'_j>: rows' sums (8, 0, 8), columns' (8, -8, 16).

HALVES_ROWS = [
    Row(
        "auto_lambda",
        [
            (0.1 + 1e-4, 0.1, 0.1 + 1e-4),
            tuple(0.1 + 1e-4 * rise for rise in (1 - adam(-8, 0), -adam(0, -3), 1 - adam(-8, -8))),
        ],
        "Adam along the rows' sums, (8, 0, 8), then (0, 3, 8)",
    ),
    # First 1/3 - 0.1 (8, 0, 8) / 3, then (11 0.99, 23 0.69, 11 0.19) / 45, whose sum is 28.85 / 45. The projection adds
    # the same to all entries, for a sum of 1, as none becomes negative.
    Row(
        "modo",
        [(11 / 45, 23 / 45, 11 / 45), tuple((w + 16.15 / 3) / 45 for w in (11 * 0.99, 23 * 0.69, 11 * 0.19))],
        "lambda - 0.1 (H + 0.1) lambda, projected",
    ),
    # The h_s are (-4, 14, -10), (-2, -44, 46) and (-2, 46, -44), up to 1/9. Unit vectors along the last two are nearly
    # opposite, and half their sum, along (-4, 2, 2), is the shortest: its product with the first is positive.
    Row("moml", [softmax(1e-3, -1e-3, -1e-3)], "softmax of Adam's first step along (-4, 2, 2)"),
    # The symmetric part is [[4, -2, 6], [-2, 12, -14], [6, -14, 20]], and x = w + 0.1 sums to 1.3. At w_1 = 0 the last
    # slopes, -0.2 + 12 x_2 - 14 x_3 and 0.6 - 14 x_2 + 20 x_3, are equal at x = (3, 20.8, 15.2) / 30, and the first,
    # 2.05, is above them, 1.03. Then diag(0, 3, 8), with w = (1, 0, 0).
    Row("sdmgrad", [(1 / 13, 8 / 15, 76 / 195), (11 / 13, 1 / 13, 1 / 13)], "(w + 0.1) / 1.3"),
    Row("sdmgrad", [(0, 17 / 30, 13 / 30)], "w itself: 12 w_2 - 14 w_3 = 20 w_3 - 14 w_2", {"regularization": 0.0}),
]

# The gradients themselves: directions.

# DB-MTL: a = 0.1 g / L; then 0.9 times that and 0.1 g / L of the second step, where L is (1/8, 3, 1).
DB_MTL = [0.1 * GRADIENTS / np.array([LOSSES[0]]).T]
DB_MTL += [0.9 * DB_MTL[0] + 0.1 * np.diag([8, 2 / 3, 3])]
# ExcessMTL: e = sum |g_t| at first, (3, 5, 7), so all weights rise alike. S is then 4 + 1, 9 + 4 and 16 + 9 at the one
# coordinate where a task has a gradient, and e / e(first) = (1 / sqrt(5) / 3, 4 / sqrt(13) / 5, 9 / 5 / 7).
EXCESS = softmax(0.01 / sqrt(5) / 3, 0.04 / sqrt(13) / 5, 0.09 / 5 / 7)
# MoCo: Y = G / 2; lambda moves by -0.1 (9, -3, 13) / 12, of which the projection takes the mean out. In the second step
# Y and lambda move by 1 / sqrt(2) of that, and lambda stays positive, too.
TRACKED = GRADIENTS / 2 * (1 - sqrt(1 / 8)) + GRADIENTS_AFTER * sqrt(1 / 8)
MOCO = np.array([28, 37, 25]) / 90
MOCO_SLOPE = TRACKED @ TRACKED.T @ MOCO
MOCO_AFTER = MOCO - 0.1 * sqrt(1 / 2) * (MOCO_SLOPE - MOCO_SLOPE.mean())

DIRECTION_ROWS = [
    Row(
        "db_mtl",
        [tuple(max(np.linalg.norm(a, axis=1)) * (a.T / np.linalg.norm(a, axis=1)).sum(axis=1)) for a in DB_MTL],
        "max |a| sum a / |a|",
    ),
    Row("excess_mtl", [(1, 1 / 3, 1), (EXCESS[0], 2 * EXCESS[1], 3 * EXCESS[2])], "G^T w"),
    # P = (1, 3/5, 5/7), and U = (0.33, 0.86, 0.57) by the mixer of 32 digits in Python's integers: coordinate 2 keeps
    # its negative entry, the others their positive ones.
    Row("graddrop", [(3, -2, 5), (1, 2, 3)], "columns' sums, without what was dropped"),
    Row("graddrop", [(3, -1 / 2, 4)], "half of the 3 and of the -2 that were dropped passes", {"leak": 0.5}),
    Row("moco", [(81 / 180, 61 / 180, 54 / 180), tuple(TRACKED.T @ MOCO_AFTER)], "Y^T lambda"),
    Row("trimmed_mean", [(1, 0, 1), (0, 0, 0)], "columns' medians"),
]

ROWS = [*LOSS_ROWS, *GRAMIAN_ROWS, *HALVES_ROWS, *DIRECTION_ROWS]
# Several add 1e-6 to the diagonal of the cosines, so that their weights are unique.
RIDGED = {"cagrad", "cr_mogm", "dual_proj", "fairgrad", "mgda", "nash_mtl", "primary", "sdmgrad", "upgrad"}


def run(row: Row) -> list[Tensor]:
    """The weights or directions of the first steps, in float64."""
    method = METHODS.get(row.name, equal)(**row.options)
    state = to_dtype(first_state(method, 3, CPU, 3), torch.float64)
    results = []
    for step in range(len(row.steps)):
        jacobian_KN = torch.from_numpy(GRADIENTS if step == 0 else GRADIENTS_AFTER)
        observation = observe(
            LOSSES[step],
            gramian_KK=jacobian_KN @ jacobian_KN.T,
            gradients_KN=jacobian_KN,
            halves_KK=torch.from_numpy(HALVES if step == 0 else HALVES_AFTER),
            uniforms_K=torch.tensor(UNIFORMS, dtype=torch.float64),
            learning_rate=torch.tensor(LEARNING_RATE, dtype=torch.float64),
            epoch_step=torch.tensor(EPOCH_STEPS[step]),
        )
        weights_K, state = method.update(state, observation)
        looks = "gradients" in method.looks_at
        results.append(weights_K @ method.gradients(state, observation) if looks else weights_K)
    return results


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    tolerance = 5e-6 if row.name in RIDGED else 1e-7
    for step, (actual, expected) in enumerate(zip(run(row), row.steps, strict=True)):
        assert actual.tolist() == pytest.approx(expected, rel=tolerance, abs=tolerance), (step, row.reason)


def test_every_method_has_exact_values() -> None:
    """In a row above, or at least in the example of its docstring, which runs as a test too."""
    rows = {row.name for row in ROWS}
    assert all(name in rows or ">>> try_out(" in (METHODS[name].__doc__ or "") for name in METHODS)
    assert rows <= {"equal", *METHODS}


@pytest.mark.parametrize(("name", "alpha"), [("nash_mtl", 1.0), ("fairgrad", 2.0)])
def test_the_rows_found_by_a_program_solve_their_equation(name: str, alpha: float) -> None:
    (weights,) = (np.array(row.steps[0]) for row in ROWS if row.name == name)
    assert GRAMIAN @ weights == pytest.approx(weights ** (-1 / alpha), rel=1e-7)
