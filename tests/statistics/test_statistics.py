"""Statistics: values by hand, the bootstrap against theory, a planted gain found, equal methods reported as equal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mtl import metrics
from mtl.errors import UserError
from mtl.statistics import (
    EQUAL,
    ONE_SEED,
    UNDECIDED,
    Predictions,
    Rules,
    bootstrap,
    compare,
    describe,
    read_predictions,
    summarize,
)
from mtl.statistics.calibration import calibrate
from mtl.statistics.ranking import resample_average_precision
from mtl.statistics.significance import Variance, gain, holm, seed_variances

NOT_APART = (EQUAL, UNDECIDED)


def predictions(
    right_NK: np.ndarray,
    labels_NK: np.ndarray | None = None,
    identity_N: np.ndarray | None = None,
    mask_NK: np.ndarray | None = None,
) -> Predictions:
    """A run that is right where said; by default every label is 1 and known, and every image shows someone else."""
    N, K = right_NK.shape
    labels = np.ones((N, K), bool) if labels_NK is None else labels_NK
    return Predictions(
        logits_NK=np.where(right_NK == labels, 2.0, -2.0),
        labels_NK=labels,
        mask_NK=np.ones((N, K), bool) if mask_NK is None else mask_NK,
        identity_N=np.arange(N) if identity_N is None else identity_N,
        majority_K=np.ones(K, bool),
        tasks=tuple(f"task {k}" for k in range(K)),
        ids_N=np.array([f"{i:06}.jpg" for i in range(N)]),
    )


def simulate(
    generator: np.random.Generator,
    num_seeds: int,
    *,
    seed_shift: float,
    seed_noise: float = 0.4,
    added: Mapping[int, float] | None = None,
    num_images: int = 1000,
    num_tasks: int = 8,
    num_people: int = 350,
) -> dict[str, dict[int, Predictions]]:
    """Runs of two methods of the same expected accuracy, about 80%, on the same images.

    A label is predicted well where difficulty + what one method makes of this image + what one network makes of it is
    positive; each part has a share that all images of a person have in common. `seed_noise` is the spread of the last;
    `seed_shift` that of a network's strength on a whole task and, half as large, on all tasks at once. On the latent
    scale of these numbers 0.1 is worth about 2 points of accuracy.

    Args:
      added: task -> what is added to the latent strength of method "b".
    """
    identity_N = generator.integers(num_people, size=num_images)

    def noise(scale: float) -> np.ndarray:
        of_people = generator.normal(size=(num_people, num_tasks))[identity_N]
        return scale * (0.6 * of_people + 0.8 * generator.normal(size=(num_images, num_tasks)))

    labels_NK = generator.random((num_images, num_tasks)) < np.linspace(0.1, 0.5, num_tasks)
    difficulty_NK = np.where(labels_NK, 0.8, 1.2) + noise(1.0)
    runs: dict[str, dict[int, Predictions]] = {}
    for method in ("joint", "b"):
        of_method_NK = difficulty_NK + noise(0.3)
        for task, strength in (added or {}).items():
            of_method_NK[:, task] += strength if method == "b" else 0.0
        runs[method] = {}
        for seed in range(num_seeds):
            shift_K = seed_shift * (generator.normal(size=num_tasks) + 0.5 * generator.normal())
            right_NK = of_method_NK + noise(seed_noise) + shift_K > 0
            runs[method][seed] = predictions(right_NK, labels_NK, identity_N)
    return runs


def is_equal(compared: Mapping[str, Any], score: str) -> bool:
    of_score = compared[score]
    return all(of_task["verdict"] in NOT_APART for of_task in [of_score["overall"], *of_score["tasks"].values()])


def test_equal_methods_are_not_told_apart() -> None:
    """A small sample of benchmarks/verdicts.py."""
    generator = np.random.default_rng(7)
    pairs = [simulate(generator, 3, seed_shift=0.04, num_images=500, num_people=200) for _ in range(10)]
    studies = [compare(runs["b"], runs["joint"], Rules(num_resamples=60)) for runs in pairs]
    for score in ("accuracy", "balanced_accuracy", "average_precision"):
        assert sum(is_equal(compared, score) for compared in studies) >= 9
    differences = [compared["accuracy"]["overall"]["difference"] for compared in studies]
    assert np.std(differences) > 0.002, "the networks do differ"


def test_a_planted_gain_is_found_and_nothing_else() -> None:
    runs = simulate(np.random.default_rng(3), 3, seed_shift=0.01, added={2: 0.35})
    rules = Rules(num_resamples=300)
    compared = summarize(runs, rules=rules)["comparisons"]
    verdicts = {task: of_task["verdict"] for task, of_task in compared["b"]["joint"]["accuracy"]["tasks"].items()}
    assert verdicts.pop("task 2") == "gain"
    assert {*verdicts.values()} <= {*NOT_APART}
    assert compared["b"]["joint"]["negative_transfer"] == {"num_tasks": 0, "tasks": []}
    mirrored = compare(runs["joint"], runs["b"], rules)
    assert mirrored["accuracy"]["tasks"]["task 2"]["verdict"] == "loss"
    assert mirrored["negative_transfer"] == {"num_tasks": 1, "tasks": ["task 2"]}
    assert mirrored["lower"] == compared["b"]["joint"]["higher"]


def test_comparison_by_hand() -> None:
    """4 images, 2 tasks, 2 seeds."""
    b = predictions(np.array([[1, 1], [1, 1], [0, 0], [0, 0]], bool))
    a = {0: predictions(np.ones((4, 2), bool)), 1: predictions(np.array([[1, 1], [1, 1], [1, 0], [0, 0]], bool))}
    compared = compare(a, {0: b, 1: b, 5: b})
    assert compared["seeds"] == [0, 1]
    # Accuracies of a: 1 and 1, then 3/4 and 2/4; those of b: 2/4 and 2/4.
    tasks = compared["accuracy"]["tasks"]
    assert [tasks[task]["difference"] for task in ("task 0", "task 1")] == [3 / 8, 1 / 4]
    assert compared["accuracy"]["overall"]["difference"] == 5 / 16
    relative = [100 * (7 / 8 - 1 / 2) / (1 / 2), 100 * (3 / 4 - 1 / 2) / (1 / 2)]
    assert compared["delta_m"]["mean"] == pytest.approx(np.mean(relative))
    assert compared["delta_m"]["median"] == pytest.approx(np.median(relative))
    assert (compared["higher"], compared["lower"]) == (2, 0)


def test_standard_error_adds_images_and_seeds() -> None:
    """v_i = 0.0016, v_s = 0.0009: the standard error, Satterthwaite's degrees of freedom and Student's t."""
    resampled = np.array([-1.0, 1.0]) * np.sqrt(0.0016 / 2)
    found = gain(0.12, resampled[None], 101, Variance(0.0009, 2), 0.95)
    freedom = (0.0016 + 0.0009) ** 2 / (0.0016**2 * (1 / 100 + 1) + 0.0009**2 / 2)  # two resamples
    assert found["standard_error"] == pytest.approx(0.05)
    assert found["interval"] == pytest.approx(scipy.stats.t.interval(0.95, freedom, 0.12, 0.05))
    assert found["p_value"] == pytest.approx(2 * scipy.stats.t.sf(0.12 / 0.05, freedom))


def test_variance_over_seeds_by_hand() -> None:
    """Sample variances 0.02 and 0.08 of two seeds; the third task has no label."""
    steady, lively = [0.2, 0.4], [0.1, 0.5]
    per_task, of_mean = seed_variances(np.array([steady, lively, [np.nan, np.nan]]).T)
    assert per_task[0] == pytest.approx((0.05 / 2, 2))  # the average: 1 degree of freedom per task
    assert per_task[1] == pytest.approx((0.08 / 2, 1))  # its own
    assert of_mean == pytest.approx((0.045 / 2, 1))  # means 0.15 and 0.45 vary by more than 0.05 / 2
    opposite = seed_variances(np.array([[0.1, 0.5], [0.5, 0.1]]))[1]
    assert opposite == pytest.approx((0.08 / 2 / 2, 1))  # the means do not vary at all, which may be chance
    assert seed_variances(np.array([[0.1, 0.2]])) == ([Variance(0.0, 1)] * 2, Variance(0.0, 1))


def test_seeds_alone_are_students_t_test() -> None:
    """Without image noise the p value of a single task is that of the paired t test over seeds."""
    a, b = np.array([0.8, 0.82, 0.83, 0.79]), np.array([0.79, 0.8, 0.84, 0.77])
    (of_task,), of_mean = seed_variances((a - b)[:, None])
    assert of_task == of_mean
    found = gain(float((a - b).mean()), np.full((4, 10), 0.5), 100, of_task, 0.95)
    assert found["p_value"] == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue)


def test_without_any_spread() -> None:
    right, wrong = predictions(np.ones((50, 2), bool)), predictions(np.zeros((50, 2), bool))
    runs = {0: right, 1: right}
    compared = compare(runs, runs, Rules(num_resamples=50))
    assert compared["equal_seeds"] == [0, 1]
    assert compared["accuracy"]["overall"]["verdict"] == UNDECIDED, "one network under two names says nothing"
    same = compared["accuracy"]["tasks"]["task 0"]
    assert (same["difference"], same["p_value"], same["interval"], same["verdict"]) == (0.0, 1.0, [0.0, 0.0], EQUAL)
    better = compare({0: right, 1: right}, {0: wrong, 1: wrong})["accuracy"]["overall"]
    assert (better["difference"], better["p_value"], better["interval"]) == (1.0, 0.0, [1.0, 1.0])
    assert better["verdict"] == "gain"


def test_equality_takes_a_margin_and_holm_runs_over_comparisons() -> None:
    """The same pair of methods: undecided with a narrow margin, equal with a wide one; corrected for its company."""
    runs = simulate(np.random.default_rng(11), 4, seed_shift=0.02, num_images=400, num_tasks=3)
    found = {}
    for margin in (0.0001, 0.2):
        of = compare(runs["b"], runs["joint"], Rules(num_resamples=100, margin=margin))["accuracy"]["overall"]
        found[of["verdict"]] = of
    assert {*found} == {UNDECIDED, EQUAL}
    inner, outer = of["equivalence_interval"], of["interval"]
    assert outer[0] < inner[0] < of["difference"] < inner[1] < outer[1]
    study = runs | {"c": runs["b"]}
    pairs = (("b", "joint"), ("c", "joint"), ("joint", "nowhere"))
    compared = summarize(study, rules=Rules(num_resamples=100, pairs=pairs))["comparisons"]
    assert {method: list(references) for method, references in compared.items()} == {
        "joint": [],
        "b": ["joint"],
        "c": ["joint"],
    }
    overall = compared["c"]["joint"]["accuracy"]["overall"]
    assert overall["holm_p_value"] == pytest.approx(min(1.0, 2 * overall["p_value"]))


def test_folds_by_hand() -> None:
    """Three folds of 4 images, differences 1/4, 2/4 and 0; a second seed is no further fold."""
    a, b = {}, {}
    for number, num_right in enumerate((1, 2, 0, 1)):
        ids_N = np.array([f"{number % 3}{image}.jpg" for image in range(4)])
        wrong = predictions(np.zeros((4, 1), bool))._replace(ids_N=ids_N)
        right = predictions(np.arange(4)[:, None] < num_right)._replace(ids_N=ids_N)
        a[number], b[number] = right, wrong
    compared = compare(a, b, Rules(num_resamples=200, overlap=0.3))
    overall = compared["accuracy"]["overall"]
    assert compared["seeds"] == [0, 1, 2, 3]
    assert overall["difference"] == pytest.approx(1 / 4)  # fold 0 was tested twice and counts once
    spread = np.var([1 / 4, 2 / 4, 0], ddof=1) * (1 / 3 + 0.3)
    assert overall["standard_error"] ** 2 == pytest.approx(spread, rel=0.15)
    assert describe({"a": a, "b": b})["num_folds"] == 3
    with pytest.raises(UserError, match="differ in their test split"):
        compare(a, {0: b[0], 1: b[2]})


def test_average_precision_of_a_resample_is_that_of_the_images_themselves() -> None:
    generator = np.random.default_rng(2)
    run = predictions(np.ones((30, 2), bool), generator.random((30, 2)) < 0.4, generator.integers(0, 12, 30))
    run = run._replace(logits_NK=generator.normal(size=(30, 2)).round(1), mask_NK=generator.random((30, 2)) < 0.8)
    cluster_N = bootstrap.clusters(run.identity_N)
    multiplicity_RC = bootstrap.multiplicities(cluster_N.max() + 1, 20, seed=0)
    found_RK = resample_average_precision(run, cluster_N, multiplicity_RC)
    for row, multiplicity_C in enumerate(multiplicity_RC):
        images = np.repeat(np.arange(30), multiplicity_C[cluster_N])
        for k in range(2):
            known = images[run.mask_NK[images, k]]
            expected = metrics.average_precision(run.logits_NK[known, k], run.labels_NK[known, k])
            assert found_RK[row, k] == pytest.approx(expected, nan_ok=True)


def test_one_seed_gets_no_verdict() -> None:
    """However large the difference: two seeds of one method may differ by as much."""
    right, wrong = predictions(np.ones((50, 2), bool)), predictions(np.zeros((50, 2), bool))
    compared = compare({0: right, 1: right}, {0: wrong, 2: wrong})
    for score in ("accuracy", "balanced_accuracy"):
        gains = [compared[score]["overall"], *compared[score]["tasks"].values()]
        assert [(of["difference"], of["p_value"], of["verdict"]) for of in gains] == [(1.0, 0.0, ONE_SEED)] * 3
    assert compared["negative_transfer"]["num_tasks"] == 0
    assert (compared["higher"], compared["lower"]) == (2, 0)


def test_a_method_is_compared_with_its_own_baseline() -> None:
    runs = simulate(np.random.default_rng(5), 2, seed_shift=0.1, num_images=200, num_tasks=3)
    study = runs | {"joint_few": runs["b"], "dst_few": runs["joint"]}
    summary = summarize(study, {"dst_few": "joint_few"}, Rules(num_resamples=50))
    assert summary["references"] == {"dst_few": "joint_few"}
    assert list(summary["comparisons"]["dst_few"]) == ["joint_few"]
    own = compare(runs["joint"], runs["b"], Rules(num_resamples=50))
    assert summary["comparisons"]["dst_few"]["joint_few"]["accuracy"]["tasks"] == own["accuracy"]["tasks"]
    assert list(summary["comparisons"]["joint_few"]) == ["joint"], "others are compared as before"


def test_equal_predictions_are_named() -> None:
    right = np.random.default_rng(0).random((20, 2)) < 0.7
    a, b = predictions(right), predictions(~right)
    almost = a._replace(logits_NK=np.nextafter(a.logits_NK, np.inf))
    runs = {"joint": {0: a, 1: b}, "dst": {0: almost, 1: b}, "beta_10": {0: a, 1: b}}
    assert describe(runs)["equal_predictions"] == [
        [("joint", 0), ("beta_10", 0)],
        [("joint", 1), ("dst", 1), ("beta_10", 1)],
    ]
    assert describe({"joint": {0: a, 1: b}})["equal_predictions"] == []


def test_bootstrap_has_the_analytic_standard_error() -> None:
    """Differences of -1, 0 and 1 of independent images: the standard error of their mean."""
    a, b = (np.random.default_rng(seed).random((2000, 1)) < 0.8 for seed in (0, 1))
    found = compare({0: predictions(a)}, {0: predictions(b)}, Rules(num_resamples=4000))["accuracy"]["tasks"]["task 0"]
    difference = a.astype(float) - b
    assert found["standard_error"] == pytest.approx(difference.std() / np.sqrt(2000), rel=0.05)


def test_bootstrap_of_balanced_accuracy_agrees_with_scipy() -> None:
    generator = np.random.default_rng(0)
    labels = generator.random(300) < 0.2
    a, b = (generator.random(300) < accuracy for accuracy in (0.8, 0.7))

    def difference(labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
        better = a.astype(float) - b
        return float(0.5 * (better[labels].mean() + better[~labels].mean()))

    expected = scipy.stats.bootstrap(
        (labels, a, b), difference, paired=True, vectorized=False, n_resamples=4000, method="percentile", rng=0
    )
    runs = [{0: predictions(right[:, None], labels[:, None])} for right in (a, b)]
    found = compare(runs[0], runs[1], Rules(num_resamples=4000))["balanced_accuracy"]["tasks"]["task 0"]
    assert found["difference"] == pytest.approx(difference(labels, a, b))
    assert found["standard_error"] == pytest.approx(expected.standard_error, rel=0.05)
    width = expected.confidence_interval.high - expected.confidence_interval.low
    assert found["image_interval"] == pytest.approx(list(expected.confidence_interval), abs=0.05 * width)


def test_nine_copies_of_an_image_are_one_image() -> None:
    """Copies that are known to show one person widen the interval to the threefold."""
    a, b = (np.repeat(np.random.default_rng(seed).random((300, 1)) < 0.7, 9, axis=0) for seed in (0, 1))

    def standard_error(identity_N: np.ndarray) -> float:
        runs = [{0: predictions(right, identity_N=identity_N)} for right in (a, b)]
        return float(compare(runs[0], runs[1])["accuracy"]["tasks"]["task 0"]["standard_error"])

    unknown = np.full(len(a), -1)
    assert standard_error(np.repeat(np.arange(300), 9)) == pytest.approx(3 * standard_error(unknown), rel=0.06)


def test_resamples_are_those_of_the_images_themselves() -> None:
    """Against a resample that is written out, image by image, with missing labels and a class that does not occur."""
    generator = np.random.default_rng(0)
    shape = (60, 3)
    labels, mask = generator.random(shape) < np.array([0.5, 0.02, 0.0]), generator.random(shape) < 0.7
    run = predictions(generator.random(shape) < 0.7, labels, generator.integers(-1, 9, size=60), mask)
    cluster_N = bootstrap.clusters(run.identity_N)
    multiplicity_RC = bootstrap.multiplicities(cluster_N.max() + 1, 40, seed=0)
    draws = bootstrap.resample(run, cluster_N, multiplicity_RC)
    for row, multiplicity_C in enumerate(multiplicity_RC):
        images = np.repeat(np.arange(60), multiplicity_C[cluster_N])
        counts = metrics.count(run.logits_NK[images], labels[images], mask[images])
        assert draws.accuracy_RK[row] == pytest.approx(metrics.accuracy(counts))
        assert draws.balanced_accuracy_RK[row] == pytest.approx(metrics.balanced_accuracy(counts))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, None, 0.005]) == pytest.approx([0.03, 0.06, 0.06, None, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_holm_keeps_order_and_never_lowers(p_values: list[float], random: Any) -> None:
    adjusted = [p for p in holm(p_values) if p is not None]
    assert all(p <= corrected <= min(1.0, p * len(p_values)) for p, corrected in zip(p_values, adjusted, strict=True))
    assert [corrected for _, corrected in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm([p_values[i] for i in order]) == [adjusted[i] for i in order]


def test_calibration_by_hand() -> None:
    """Task 0: of two predictions of 0.8 one is right. Task 1: 0.25 where absent, 1 where present, one not known."""
    run = predictions(np.ones((3, 2), bool))._replace(
        logits_NK=np.array([[np.log(4), -np.log(3)], [np.log(4), 800.0], [-800.0, 0.0]]),
        labels_NK=np.array([[1, 0], [0, 1], [0, 0]], bool),
        mask_NK=np.array([[1, 1], [1, 1], [1, 0]], bool),
    )
    once, twice = calibrate([run]), calibrate([run, run])
    first, second = once["tasks"].values()
    assert first["bins"]["confidence"] == pytest.approx([0.0, 0.8])
    assert first["bins"]["accuracy"] == [0.0, 0.5]
    assert first["bins"]["count"] == [1, 2]
    assert first["expected_calibration_error"] == pytest.approx(2 / 3 * 0.3)
    assert second["expected_calibration_error"] == pytest.approx(0.25 / 2)
    assert once["overall"]["expected_calibration_error"] == pytest.approx((2 * 0.3 + 0.25) / 5)
    assert twice["overall"]["expected_calibration_error"] == once["overall"]["expected_calibration_error"]
    assert twice["overall"]["bins"]["count"] == [2, 2, 4, 2]


def test_summary_says_what_the_runs_scores_are() -> None:
    runs = simulate(np.random.default_rng(0), 2, seed_shift=0.1, num_images=200, num_tasks=3)
    summary = summarize({**runs, "random_drop": {0: runs["b"][0]}}, rules=Rules(num_resamples=50))
    json.dumps(summary, allow_nan=False)
    described = describe({**runs, "random_drop": {0: runs["b"][0]}})
    named = {"references": {}, "pairs": [], "margin": 0.003, "comparisons": summary["comparisons"]}
    assert summary == described | named
    assert summary["seeds"] == {"joint": [0, 1], "b": [0, 1], "random_drop": [0]}
    assert summary["num_test_identities"] == len(np.unique(runs["b"][0].identity_N))
    evaluated = [
        metrics.evaluate(run.tasks, run.logits_NK, run.labels_NK, run.mask_NK, run.majority_K)
        for run in runs["b"].values()
    ]
    of_b = summary["methods"]["b"]
    balanced = [of_run["balanced_accuracy"] for of_run in evaluated]
    assert of_b["overall"]["balanced_accuracy"]["mean"] == pytest.approx(np.mean(balanced))
    assert of_b["overall"]["balanced_accuracy"]["standard_deviation"] == pytest.approx(np.std(balanced, ddof=1))
    precisions = [of_run["tasks"]["task 1"]["average_precision"] for of_run in evaluated]
    assert of_b["tasks"]["task 1"]["average_precision"]["mean"] == pytest.approx(np.mean(precisions))
    assert summary["methods"]["random_drop"]["overall"]["f1"]["standard_deviation"] is None
    majority = {task: scores["majority_accuracy"] for task, scores in evaluated[0]["tasks"].items()}
    assert summary["majority_accuracy"] == {
        "overall": pytest.approx(np.mean(list(majority.values()))),
        "tasks": majority,
    }
    cells = summary["confusion"]["b"]["task 2"]
    assert sum(cells.values()) == 2 * 200
    accuracy = (cells["true_positives"] + cells["true_negatives"]) / 400
    assert accuracy == pytest.approx(of_b["tasks"]["task 2"]["accuracy"]["mean"])
    references = {method: list(of_method) for method, of_method in summary["comparisons"].items()}
    assert references == {"joint": ["random_drop"], "b": ["joint", "random_drop"], "random_drop": ["joint"]}
    assert summary["comparisons"]["b"]["random_drop"]["seeds"] == [0]
    alone = compare(runs["b"], runs["joint"], Rules(num_resamples=50))
    assert summary["comparisons"]["b"]["joint"]["accuracy"]["tasks"] == alone["accuracy"]["tasks"]


def test_what_is_undefined_is_none() -> None:
    """Task 0 has no positive, task 1 no label, task 2 a label of one person only."""
    generator = np.random.default_rng(0)
    labels, mask = np.zeros((40, 3), bool), np.ones((40, 3), bool)
    mask[:, 1], mask[1:, 2] = False, False
    runs = {
        method: {0: predictions(generator.random((40, 3)) < 0.7, labels, np.full(40, -1), mask)}
        for method in ("joint", "b")
    }
    summary = summarize(runs, rules=Rules(num_resamples=50))
    json.dumps(summary, allow_nan=False)
    assert summary["num_test_identities"] is None
    of_tasks = summary["methods"]["b"]["tasks"]
    assert of_tasks["task 0"]["average_precision"]["mean"] is None
    assert of_tasks["task 0"]["balanced_accuracy"] == of_tasks["task 0"]["accuracy"]
    assert of_tasks["task 1"]["accuracy"]["mean"] is None
    assert summary["calibration"]["b"]["tasks"]["task 1"]["expected_calibration_error"] is None
    gains = summary["comparisons"]["b"]["joint"]["accuracy"]["tasks"]
    assert gains["task 0"]["p_value"] == gains["task 0"]["holm_p_value"] > 0
    assert gains["task 1"]["difference"] is None
    assert gains["task 1"]["holm_p_value"] is gains["task 2"]["holm_p_value"] is None
    assert gains["task 1"]["verdict"] == gains["task 2"]["verdict"] == ONE_SEED


def test_runs_on_other_images_are_refused() -> None:
    run = predictions(np.ones((5, 2), bool))
    other = run._replace(ids_N=run.ids_N[::-1])
    with pytest.raises(UserError, match=r"joint, seed 0 and b, seed 1 differ in their test split \(ids\)"):
        summarize({"joint": {0: run}, "b": {1: other}})


def test_reads_what_a_run_wrote(tmp_path: Path) -> None:
    run = predictions(np.random.default_rng(0).random((6, 2)) < 0.5)
    path = tmp_path / "predictions.npz"
    arrays = {name.split("_")[0]: array for name, array in run._asdict().items()}
    np.savez(path, **arrays)
    for name, array in read_predictions(path)._asdict().items():
        assert np.array_equal(array, getattr(run, name)), name

    with pytest.raises(UserError, match="is missing; train"):
        read_predictions(tmp_path / "none.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        read_predictions(path)
    np.savez(path, **{name: array for name, array in arrays.items() if name != "majority"})
    with pytest.raises(UserError, match=r"lacks an array \(majority"):
        read_predictions(path)
    np.savez(path, **(arrays | {"ids": arrays["ids"][:3]}))
    with pytest.raises(UserError, match="unequal length"):
        read_predictions(path)
