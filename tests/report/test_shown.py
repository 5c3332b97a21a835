"""Studies of many methods: which of them the figures show, what they are called, and what is said of them."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from mtl.methods import METHODS as BALANCING
from mtl.record.reading import StudyRecord
from mtl.report.findings import equal_sentences, findings, lesson
from mtl.report.names import METHOD_NAMES, balancing, method_name, name_in_sentence
from mtl.report.sections.setting import METHODS, what_it_is
from mtl.report.shown import ALWAYS, MAX_METHODS, shown_methods, shown_note
from mtl.report.style import METHOD_STYLES, method_styles

CODE = Path(__file__).parents[2] / "mtl/methods"


def study_of(accuracies: dict[str, float], verdicts: dict[str, str] | None = None) -> StudyRecord:
    """A study with these mean accuracies, and these verdicts against joint training."""
    methods = {method: {"overall": {"accuracy": {"mean": accuracy}}} for method, accuracy in accuracies.items()}
    comparisons: dict[str, Any] = {"joint": {}}
    for method, verdict in (verdicts or {}).items():
        difference = accuracies[method] - accuracies["joint"]
        overall = {"difference": difference, "interval": [difference - 0.01, difference + 0.01]}
        overall |= {"image_interval": overall["interval"]}
        overall |= {"holm_p_value": 0.5 if verdict == "undecided" else 0.0001, "verdict": verdict}
        tasks = {"Male": {"verdict": verdict}}
        comparisons[method] = {"joint": {"accuracy": {"overall": overall, "tasks": tasks}, "seeds": [0]}}
    dropped = {"gates_shut": 0.1, "num_shut": 4.0, "num_gates": 40, "drop_rate": 0.12}
    dropping = {"dst": {"overall": dropped}}
    results = {"methods": methods, "comparisons": comparisons, "dropping": dropping, "references": {}, "margin": 0.003}
    results |= {"controls": {"random_drop": "dst"}}
    return StudyRecord(Path("nowhere"), {}, results, {})


def plain(text: str) -> str:
    """A sentence's markup as it is read."""
    return re.sub(r'#(?:n\((?:"[^"]*", )*)?"([^"]*)"\)?;', r"\1", text)


def test_few_methods_are_all_shown() -> None:
    study = study_of({f"m{number}": number / 10 for number in range(MAX_METHODS)})
    assert shown_methods(study) == list(study.results["methods"])
    assert shown_note(study) == ""


def test_of_many_the_best_and_the_worst_are_shown() -> None:
    others = dict(zip("abcdefgh", (0.5, 0.9, 0.1, 0.6, 0.8, 0.2, 0.7, 0.4), strict=True))
    study = study_of({**others, "joint": 0.55, "random_drop": 0.3, "dst": 0.65})
    # Six places are left: the best are b, e, g, the worst c, f, h.
    assert shown_methods(study) == ["b", "c", "e", "f", "g", "h", "joint", "random_drop", "dst"]
    assert plain(shown_note(study)) == (
        " Of 11 methods are shown: joint training, DST, random dropping, "
        "the best and the worst others in mean accuracy."
    )
    study = study_of({**others, "joint": 0.55, "random_drop": 0.3, "dst": 0.65, "single_task": 0.0})
    assert shown_methods(study) == ["b", "c", "e", "f", "g", "joint", "random_drop", "dst", "single_task"]


@pytest.mark.parametrize("always", [ALWAYS, ALWAYS[:3], ()])
def test_those_shown_look_different(always: tuple[str, ...]) -> None:
    study = study_of({method: 0.5 for method in (*always, *sorted(BALANCING))})
    shown = shown_methods(study)
    assert len(shown) == MAX_METHODS == len(METHOD_STYLES)
    assert {*always} <= {*shown}
    assert len(set(method_styles(shown).values())) == MAX_METHODS


def test_many_comparisons_are_told_in_few_sentences() -> None:
    accuracies = {"joint": 0.8, "dst": 0.81, "random_drop": 0.79, "mgda": 0.75, "pcgrad": 0.85, "krum": 0.6}
    accuracies |= {f"m{number}": 0.8 for number in range(6)}
    verdicts = dict.fromkeys([m for m in accuracies if m != "joint"], "undecided")
    verdicts |= {"m0": "equal within the margin", "mgda": "loss", "krum": "loss", "pcgrad": "gain"}
    sentences = [plain(sentence) for sentence in findings(study_of(accuracies, verdicts))]
    assert [sentence.split("*")[1] for sentence in sentences[:-2]] == [
        "DST against joint training",
        "Random dropping against joint training",
        "PCGrad",
        "MGDA",
        "Multi-Krum",
    ]
    assert sentences[3] == "*MGDA*: -5.00 points (95 % interval -6.00 to -4.00, $p$ < 0.001), *a loss*."
    assert sentences[-1] == "Of 5 other methods nothing is decided against joint training."
    assert sentences[-2] == "Equal to joint training within the margin of 0.3 points: 1 other method."


def test_eight_comparisons_are_told_in_full() -> None:
    accuracies = {"joint": 0.8, **{f"m{number}": 0.8 for number in range(8)}}
    verdicts = dict.fromkeys([m for m in accuracies if m != "joint"], "undecided")
    sentences = findings(study_of(accuracies, verdicts))
    assert len(sentences) == 8
    assert all("*undecided*" in sentence for sentence in sentences)


def test_nothing_is_learned_of_dropping_where_nothing_was_dropped() -> None:
    study = study_of({"joint": 0.8, "dst": 0.8}, {"dst": "undecided"})
    assert plain(lesson(study)).startswith("DST *shut 4 of 40 gates*, counted over tasks, epochs and seeds: 10.0 %.")
    assert "no gain of DST" in plain(lesson(study))
    results = copy.deepcopy(study.results)
    results["dropping"]["dst"]["overall"]["num_shut"] = 0.0
    said = lesson(study._replace(results=results))
    assert "nothing follows about dropping" in said and "no gain" not in said


def test_one_seed_gets_no_verdict() -> None:
    accuracies = {"joint": 0.8, "dst": 0.9}
    study = study_of(accuracies, {"dst": "one seed"})
    (sentence,) = map(plain, findings(study))
    assert sentence == (
        "*DST against joint training* (1 seed): mean accuracy differs by +10.00 points (95 % interval over test images "
        "+9.00 to +11.00): *one seed allows no verdict on the method*."
    )
    assert "With one seed, *nothing follows for DST against joint training*" in plain(lesson(study))
    many = accuracies | {f"m{number}": 0.8 + number / 100 for number in range(9)}
    *_, last = map(plain, findings(study_of(many, dict.fromkeys([m for m in many if m != "joint"], "one seed"))))
    assert last == (
        "9 other methods differ from joint training by +0.00 (m0) to +8.00 (m8) points in the one seed that they share "
        "with it: *one seed allows no verdict on a method*."
    )


def test_a_variant_is_compared_with_its_own_baseline() -> None:
    study = study_of({"joint": 0.8, "joint_few": 0.7, "dst_few": 0.75}, {"dst_few": "gain"})
    comparisons = {"dst_few": {"joint_few": study.results["comparisons"]["dst_few"]["joint"]}}
    own = study._replace(results=study.results | {"comparisons": comparisons, "references": {"dst_few": "joint_few"}})
    (sentence,) = map(plain, findings(own))
    assert sentence.startswith("*Dst few against joint few* (1 seed): mean accuracy differs by -5.00 points")


@pytest.mark.parametrize("verdict", ["gain", "loss", "equal within the margin", "undecided", "one seed"])
def test_a_control_speaks_of_the_form_that_it_repeats(verdict: str) -> None:
    study = study_of({"joint": 0.8, "dst": 0.9, "random_drop": 0.8}, {"dst": "gain"})
    study.results["comparisons"]["dst"]["random_drop"] = {"accuracy": {"overall": {"verdict": verdict}}}
    assert "random dropping, which repeats its rates," in plain(lesson(study))
    study.results["controls"]["random_drop"] = "dst_depth"
    assert "Without a control that repeats DST" in plain(lesson(study))


def test_equal_predictions_are_said() -> None:
    study = study_of({"joint": 0.8, "dst": 0.8})
    study.results["equal_predictions"] = [[["dst", 0], ["beta_10", 0]]]
    (sentence,) = map(plain, equal_sentences(study))
    assert sentence.startswith("DST (seed 0), beta 10 (seed 0) gave *the same predictions to the last bit*")


def test_every_balancing_method_has_a_name_and_a_description() -> None:
    for method in BALANCING:
        assert balancing(method) is not None
        assert what_it_is(method) in METHODS.values() or what_it_is(method) in (CODE / f"{method}.py").read_text()


def test_names_are_different() -> None:
    names = [
        method_name(method) for method in ("joint", *METHOD_NAMES, *BALANCING, *(f"dst_{name}" for name in BALANCING))
    ]
    assert len({*names}) == len(names)


def test_names_and_descriptions_by_hand() -> None:
    assert what_it_is("mgda") == "the shortest vector in the convex hull of the gradients"
    assert what_it_is("base") == what_it_is("beta_10"), "a file that is no method's"
    assert what_it_is("dst_mgda") == (
        "DST's gates; for the tasks that they leave on, the shortest vector in the convex hull of the gradients"
    )
    assert what_it_is("beta_10") == "a variant; its configuration is in its runs' config.json"
    assert what_it_is("dst_depth") == METHODS["dst_depth"]
    assert [method_name(m) for m in ("dst_gradvac", "dst_depth", "beta_10")] == [
        "DST + GradVac",
        "DST, depth",
        "beta 10",
    ]
    assert [name_in_sentence(m) for m in ("joint", "single_task", "dst")] == [
        "joint training",
        "single-task networks",
        "DST",
    ]
