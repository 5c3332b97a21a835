from pathlib import Path

import numpy as np
import pytest

from configs.default import get_config
from mtl.data.attributes import attributes_table, choose, choose_by, correlations, positive_rates, rank_attributes
from mtl.data.celeba import read_table
from mtl.data.image_files import ImageSource
from mtl.data.published import FAULTS, PUBLISHED, difficulty, gain, region
from mtl.data.table import Table
from mtl.kinds import BINARY

REAL = Path(__file__).parents[2] / "../shared/data/celeba"


def make_table(labels: np.ndarray, attributes: tuple[str, ...], mask: np.ndarray | None = None) -> Table:
    """The first half of the rows is the training split, the rest the test split."""
    num_rows = len(labels)
    return Table(
        ids=np.arange(num_rows).astype(str),
        source=ImageSource(Path("nowhere"), ""),
        labels=labels.astype(bool),
        mask=np.ones(labels.shape, dtype=bool) if mask is None else mask,
        split=np.where(np.arange(num_rows) < num_rows // 2, 0, 2).astype(np.int8),
        identity=np.full(num_rows, -1, dtype=np.int32),
        attributes=attributes,
        kinds=(BINARY,) * len(attributes),
    )


def draw(rates: tuple[float, ...], num_rows: int = 4000) -> np.ndarray:
    return np.random.default_rng(0).random((num_rows, len(rates))) < rates


def test_rates_and_correlations_are_those_of_the_training_split() -> None:
    labels = draw((0.5, 0.2, 0.8))
    labels[:, 2] ^= labels[:, 0]
    table = make_table(labels, ("Male", "Bangs", "Young"))
    np.testing.assert_allclose(positive_rates(table, "train"), labels[:2000].mean(axis=0))
    np.testing.assert_allclose(positive_rates(table, "test"), labels[2000:].mean(axis=0))
    np.testing.assert_allclose(correlations(table), np.corrcoef(labels[:2000].T), atol=1e-12)


def test_missing_labels_do_not_count() -> None:
    labels = draw((0.5, 0.3))
    labels[:, 1] |= labels[:, 0]
    mask = np.random.default_rng(1).random(labels.shape) < 0.7
    table = make_table(labels | ~mask, ("Male", "Bangs"), mask)  # what a missing label says must not matter
    both = mask[:2000].all(axis=1)
    np.testing.assert_allclose(positive_rates(table, "train")[0], labels[:2000, 0][mask[:2000, 0]].mean())
    np.testing.assert_allclose(correlations(table)[0, 1], np.corrcoef(labels[:2000][both].T)[0, 1])


def test_a_constant_or_unlabelled_attribute_correlates_with_nothing() -> None:
    labels, mask = draw((0.5, 0.0, 0.5)), np.ones((4000, 3), dtype=bool)
    mask[:, 2] = False
    table = make_table(labels, ("Male", "Bangs", "Young"), mask)
    assert (correlations(table)[1:] == 0).all()
    assert positive_rates(table, "train")[1:].tolist() == [0, 0]
    assert {row.name: row.score for row in rank_attributes(table)}["Bangs"] < 1e-9


def test_published_figures_are_whole() -> None:
    assert len(PUBLISHED) == 40
    assert {"Bald", "5_o_Clock_Shadow", "Wearing_Necktie"} <= set(PUBLISHED)
    # Both means are published: Liu et al. 2015, and the majority guess on the test split (celeba_label_stats.json).
    assert np.mean([figures.accuracy for figures in PUBLISHED.values()]) == pytest.approx(87.3)
    assert np.mean([figures.majority for figures in PUBLISHED.values()]) == pytest.approx(79.9, abs=0.02)
    assert set(FAULTS) <= set(PUBLISHED)


def test_gain_and_difficulty_are_those_of_a_worked_example() -> None:
    assert gain("Male") == pytest.approx((98 - 61.4) / (100 - 61.4))
    assert [difficulty(name) for name in ("Male", "Bangs", "Bushy_Eyebrows")] == ["easy", "medium", "hard"]
    assert difficulty("Freckles") == region("Freckles") == "unknown"


def test_ranks_by_entropy_and_redundancy() -> None:
    labels = draw((0.5, 0.1, 0.5, 0.5, 0.5))
    labels[:, 4] = labels[:, 3]
    rows = rank_attributes(make_table(labels, ("Male", "Bangs", "Oval_Face", "Smiling", "Wearing_Lipstick")))
    assert [row.name for row in rows][:2] == ["Male", "Bangs"]
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5]
    by_name = {row.name: row for row in rows}
    assert by_name["Male"].score == pytest.approx(1, abs=0.1)
    assert by_name["Bangs"].score == pytest.approx(0.47, abs=0.06)  # H(0.1), less a chance correlation
    assert by_name["Oval_Face"].score == by_name["Smiling"].score == 0  # random; the same as another
    assert (by_name["Smiling"].correlation, by_name["Smiling"].correlated_with) == (1, "Wearing_Lipstick")


def test_majority_accuracy_is_that_of_the_training_majority_on_the_test_split() -> None:
    labels = np.repeat([[1], [1], [1], [0], [1], [0], [0], [0]], 10, axis=0)  # train 3 of 4, test 1 of 4
    (row,) = rank_attributes(make_table(labels, ("Male",)))
    assert (row.positive_rate, row.majority_accuracy) == (0.75, 0.25)


def test_never_chooses_random_labels_judgements_or_what_nothing_predicts() -> None:
    names = tuple(PUBLISHED)
    chosen = choose_by(names, np.full(40, 0.5), np.eye(40), num_tasks=40)
    assert chosen and not any(name in FAULTS or gain(name) < 0.05 for name in chosen)
    assert len(set(chosen)) == len(chosen) < 40


def test_chooses_from_all_regions_and_difficulties() -> None:
    names = tuple(PUBLISHED)
    chosen = choose_by(names, np.full(40, 0.5), np.eye(40), num_tasks=6)
    assert len({region(name) for name in chosen}) == 5
    assert sorted(difficulty(name) for name in chosen) == ["easy"] * 2 + ["hard"] * 2 + ["medium"] * 2


def test_avoids_what_a_chosen_attribute_predicts() -> None:
    names, rates = ("Male", "Black_Hair", "Bangs"), np.array([0.5, 0.4, 0.3])
    assert choose_by(names, rates, np.eye(3), 2) == ("Male", "Black_Hair")
    phi = np.eye(3)
    phi[0, 1] = phi[1, 0] = -0.9
    assert choose_by(names, rates, phi, 2) == ("Male", "Bangs")


def test_table_marks_the_chosen_ones_and_says_what_the_criteria_choose() -> None:
    text = attributes_table(make_table(draw((0.5, 0.2, 0.5)), ("Male", "Bangs", "Freckles")), ("Bangs",))
    lines = text.splitlines()
    (bangs,) = [line for line in lines if "| Bangs |" in line]
    assert "| yes |" in bangs and "+0.68" in bangs and "hair" in bangs
    assert sum("| yes |" in line for line in lines) == 1
    assert len({line.count("|") for line in lines[:5]}) == 1  # header, rule and three rows have the same cells
    assert lines[-1].startswith("The criteria choose from this data: ")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real labels of ../shared/data/celeba are not on this machine")
def test_choice_on_real_labels() -> None:
    table = read_table(REAL)
    assert choose(table) == tuple(get_config().data.attributes), "the configuration holds the criteria's choice"
    assert "nan" not in attributes_table(table, choose(table))
