"""Cosines and conflicts over steps, worked by hand."""

import torch

from mtl.gradients import alignment

CPU = torch.device("cpu")


def test_means_over_the_steps_in_which_both_gradients_were_there() -> None:
    seen = alignment.zero(3, CPU)
    first = torch.tensor([[4.0, 3.0, 0.0], [3.0, 9.0, 0.0], [0.0, 0.0, 0.0]])  # cos 1/2; the third task is absent
    second = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 1.0]])  # cos -1/2, -1/2; a, c share nothing
    seen = alignment.add(alignment.add(seen, first), second)
    described = alignment.describe(seen)
    assert described["cosines"] == [[1.0, 0.0, None], [0.0, 1.0, -0.5], [None, -0.5, 1.0]]
    assert described["conflicts"] == [[0.0, 0.5, None], [0.5, 0.0, 1.0], [None, 1.0, 0.0]]
    assert alignment.conflicting(seen) == 0.75


def test_a_pair_that_was_never_measured_is_none() -> None:
    seen = alignment.add(alignment.zero(2, CPU), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert alignment.describe(seen) == {
        "cosines": [[1.0, None], [None, None]],
        "conflicts": [[0.0, None], [None, None]],
    }
    assert alignment.conflicting(seen) is None
    assert alignment.conflicting(alignment.zero(1, CPU)) is None
