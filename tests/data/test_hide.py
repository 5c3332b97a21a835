"""Hidden labels: the right number, in the training split alone, the same ones in every run."""

from pathlib import Path

import numpy as np
import pytest

from mtl.data.celeba import read_table
from mtl.data.hide import hide_labels
from mtl.errors import UserError
from tests.tiny import write_celeba


def test_keeps_a_share_of_the_training_labels(tmp_path: Path) -> None:
    table = read_table(write_celeba(tmp_path))
    hidden = hide_labels(table, ("a=0.25", "c=0.5"))
    train = table.split == 0
    assert hidden.mask[train].sum(axis=0).tolist() == [9, 36, 18]
    assert hidden.mask[~train].all()
    assert np.array_equal(hidden.mask, hide_labels(table, ("c=0.5", "a=0.25")).mask)
    assert not np.array_equal(hidden.mask[train, 0], hide_labels(table, ("b=0.25",)).mask[train, 1])
    assert table.mask.all(), "the table that was given is left as it is"
    assert np.array_equal(hide_labels(table, ()).mask, table.mask)


@pytest.mark.parametrize("entry", ["a", "a=", "a=0", "a=1.5", "a=some"])
def test_an_entry_of_another_form(tmp_path: Path, entry: str) -> None:
    table = read_table(write_celeba(tmp_path))
    with pytest.raises(UserError, match="write task=share"):
        hide_labels(table, (entry,))


def test_a_task_that_is_not_trained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="names 'd', which is none of the tasks"):
        hide_labels(read_table(write_celeba(tmp_path)), ("d=0.5",))
