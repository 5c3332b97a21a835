"""No sentence of the report contradicts the configuration or the figures, whatever was configured.

`RULES` says of a word or phrase under which condition it may stand; where `always` is set, it must stand there then.
"""

import copy
import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from PIL import ImageDraw

from configs.default import get_config
from mtl.data.published import FAULTS, PUBLISHED
from mtl.record.reading import StudyRecord, read_study
from mtl.report.document import document
from mtl.report.sections.data import remarks
from mtl.report.video import choose_run
from mtl.report.video.canvas import render
from mtl.report.video.outcome import outcome
from mtl.report.video.title import title
from tests.report.synthetic import write_study
from tests.report.test_shown import plain

DEFAULT = tuple(get_config().data.attributes)
WITH_BALD = ("Bald", "Male", "Oval_Face")
UNKNOWN = ("My_Own", "Another")
ALL = tuple(PUBLISHED)
CELEBA = {"train": 162770, "valid": 19867, "test": 19962}
CHOICES: dict[str, tuple[Any, ...]] = {
    "model.backbone": ("resnet18", "vgg16"),
    "model.head": ("linear", "mlp"),
    "train.optimizer": ("adamw", "sgd"),
    "train.schedule": ("cosine", "constant"),
    "train.warmup_epochs": (0.0, 0.5),
    "data.crop": ("square", "full"),
    "data.flip": (True, False),
    "train.precision": ("float32", "bfloat16"),
}
OTHERS: dict[str, Any] = {
    "model.backbone": "resnet50",
    "model.width": 0.5,
    "model.weights": "IMAGENET1K_V1",
    "train.freeze": ("layer1",),
    "train.learning_rates": ("heads=10",),
    "model.taps": ("Male=layer2",),
    "data.max_shift": 0,
    "data.label_fractions": ("Male=0.25",),
    "data.image_size": 128,
    "train.weight_decay": 0.0,
    "train.learning_rate": 0.1,
}


class Case(NamedTuple):
    """A study, and its configuration as a flat dictionary."""

    study: StudyRecord
    config: dict[str, Any]

    def drops(self) -> bool:
        return bool(self.study.results["dropping"])

    def has_one_seed(self) -> bool:
        return all(len(seeds) == 1 for seeds in self.study.results["seeds"].values())

    def num_epochs(self) -> int:
        return len(next(iter(self.study.runs["joint"].values())).epochs)

    def is_celeba(self) -> bool:
        return self.config["data.name"] == "celeba" and self.study.results["split_sizes"] == CELEBA


class Rule(NamedTuple):
    """A phrase, the condition under which it may stand, and whether it must stand then."""

    phrase: str
    may_stand: Callable[[Case], bool]
    always: bool = True


def is_set(field: str, value: Any) -> Callable[[Case], bool]:
    return lambda case: case.config[field] == value


def is_empty(field: str) -> Callable[[Case], bool]:
    return lambda case: not case.config[field]


def never(case: Case) -> bool:
    return False


def has_tasks(tasks: tuple[str, ...]) -> Callable[[Case], bool]:
    return lambda case: {*case.study.results["tasks"]} == {*tasks}


def is_warmed(case: Case) -> bool:
    return case.config["train.warmup_epochs"] > 0


def is_constant(case: Case) -> bool:
    return case.config["train.schedule"] == "constant" and not is_warmed(case)


def decays(case: Case) -> bool:
    return case.config["train.weight_decay"] > 0


RULES = [
    Rule("ResNet", is_set("model.backbone", "resnet18")),
    Rule("residual network with batch norm", is_set("model.backbone", "resnet18")),
    Rule("VGG", is_set("model.backbone", "vgg16")),
    Rule("without shortcuts and without batch norm", is_set("model.backbone", "vgg16")),
    Rule("torchvision's classification network", is_set("model.backbone", "resnet50")),
    Rule("times the width", is_set("model.width", 0.5)),
    Rule("times as many channels", is_set("model.width", 0.5)),
    Rule("parts of the trunk that stand still", lambda case: not is_empty("train.freeze")(case)),
    Rule("multiplied with for these parts", lambda case: not is_empty("train.learning_rates")(case)),
    Rule("nothing was learned before", is_set("model.weights", "")),
    Rule("trained before this study", is_set("model.weights", "IMAGENET1K_V1")),
    Rule("linear map", is_set("model.head", "linear")),
    Rule("linear head", never),
    Rule("ReLU", is_set("model.head", "mlp")),
    Rule("model.hidden", is_set("model.head", "mlp")),
    Rule("read off the end of the trunk", is_empty("model.taps")),
    Rule("where these attributes leave the trunk", lambda case: not is_empty("model.taps")(case)),
    Rule("centred square", is_set("data.crop", "square")),
    Rule("squeezed", is_set("data.crop", "full")),
    Rule("mirrored at random", is_set("data.flip", True)),
    Rule("no image is mirrored", is_set("data.flip", False)),
    Rule("shifted at random", lambda case: case.config["data.max_shift"] > 0),
    Rule("no image is shifted", is_set("data.max_shift", 0)),
    Rule("small things are harder to see", lambda case: case.config["data.image_size"] < 64),
    Rule("no training label was hidden", is_empty("data.label_fractions")),
    Rule("share of the training labels", lambda case: not is_empty("data.label_fractions")(case)),
    Rule("AdamW", is_set("train.optimizer", "adamw")),
    Rule("Adam", is_set("train.optimizer", "adamw")),
    Rule("no tuning|needs no", never),
    Rule("[Mm]omentum", is_set("train.optimizer", "sgd")),
    Rule("decoupled", lambda case: case.config["train.optimizer"] == "adamw" and decays(case)),
    Rule("L2", lambda case: case.config["train.optimizer"] == "sgd" and decays(case)),
    Rule(r"no weight decay(?!\.)", lambda case: not decays(case)),
    Rule("the same in every step", is_constant),
    Rule("highest of the schedule", lambda case: not is_constant(case)),
    Rule("falls to zero", is_set("train.schedule", "cosine")),
    Rule("half a cosine", is_set("train.schedule", "cosine")),
    Rule("the rate stays as it is", is_set("train.schedule", "constant")),
    Rule("no warm-up", lambda case: not is_warmed(case)),
    Rule("after the warm-up|rises linearly", is_warmed),
    Rule("bfloat16|autocast", is_set("train.precision", "bfloat16")),
    Rule("as of all else", is_set("train.precision", "float32")),
    Rule("one pass over the training images", lambda case: case.num_epochs() == 1),
    Rule("% after the first epoch", lambda case: case.num_epochs() > 1),
    Rule("hardly rises", never),
    Rule("drawn by a program", is_set("data.name", "faces")),
    Rule("[Pp]ublished gain", is_set("data.name", "celeba")),
    Rule("those of CelebA, all of them", Case.is_celeba),
    Rule("in CelebA's file format", lambda case: case.config["data.name"] == "celeba" and not case.is_celeba()),
    Rule("subset of CelebA|part of CelebA", never),
    Rule("The criteria|criteria of", has_tasks(DEFAULT)),
    Rule("informative", has_tasks(DEFAULT)),
    Rule("none was left out", has_tasks(ALL)),
    Rule("named in the configuration", lambda case: {*case.study.results["tasks"]} not in ({*DEFAULT}, {*ALL})),
    Rule(
        "its labels were found",
        lambda case: case.config["data.name"] == "celeba" and bool({*case.study.results["tasks"]} & {*FAULTS}),
    ),
    Rule(r"dst\.\w|\$beta\$, ", Case.drops, False),
    Rule(r"\[\$lambda_d\$, depth\]", Case.drops),
    Rule(r"\[\$beta\$\]", Case.drops),
    Rule("gates", Case.drops),
    Rule("annotated training samples", lambda case: case.drops() and case.config["dst.count"] == "annotated", False),
    Rule("One task, one epoch", Case.drops),
    Rule("one seed allows no verdict", Case.has_one_seed),
    Rule(
        "significant|shows no gain|gains over|loses against|are equal\\*", lambda case: not case.has_one_seed(), False
    ),
    Rule(
        "standard deviation over seeds|mean over seeds|band spans|seeds together", lambda case: not case.has_one_seed()
    ),
    Rule("no loss either", never),
]


@cache
def made(
    tasks: tuple[str, ...] = WITH_BALD,
    methods: tuple[str, ...] = ("joint", "dst", "random_drop"),
    num_seeds: int = 1,
    num_epochs: int = 2,
) -> StudyRecord:
    """A study, written and read once; its examples are gone with its folder, all else is in memory."""
    with TemporaryDirectory() as folder:
        return read_study(write_study(Path(folder), methods, num_seeds, num_epochs, tasks, num_images=40))


def configured(study: StudyRecord, overrides: Mapping[str, Any], sizes: dict[str, int] | None = None) -> Case:
    """The study as if it and its runs had been configured otherwise."""
    changed = copy.deepcopy(study.config)
    flat = _flat(changed["config"]) | overrides
    for field, value in overrides.items():
        *above, last = field.split(".")
        place = changed["config"]
        for key in above:
            place = place[key]
        place[last] = value
    results = study.results | ({"split_sizes": sizes} if sizes else {})
    return Case(study._replace(config=changed, results=results), flat)


def _flat(fields: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat


def text_of(study: StudyRecord, figures: dict[str, str] | None = None) -> str:
    """The document as it is read, less the layout and where lines are broken."""
    body = document(study, figures or NAMES_OF_FIGURES).partition("#show: report.with")[2]
    return " ".join(plain(body).split())


NAMES_OF_FIGURES = dict.fromkeys(
    ("gains", "all_gains", "accuracy", "balance", "gates", "learning_curves", "task_curves", "confusion", "gradients"),
    "a.svg",
)


def check(case: Case) -> None:
    text = text_of(case.study)
    for phrase, may_stand, always in RULES:
        found = re.search(phrase, text)
        if not may_stand(case):
            assert found is None, (phrase, text[max(0, found.start() - 80) : found.end() + 80])
        elif always:
            assert found is not None, f"{phrase!r} is missing"


@pytest.mark.parametrize("backbone", CHOICES["model.backbone"])
def test_every_choice_is_told_as_it_is(backbone: str) -> None:
    study = made(UNKNOWN, ("joint", "dst"))
    values = {**CHOICES, "model.backbone": (backbone,)}
    for chosen in product(*values.values()):
        check(configured(study, dict(zip(values, chosen, strict=True))))


@pytest.mark.parametrize("field", OTHERS)
@pytest.mark.parametrize("optimizer", CHOICES["train.optimizer"])
def test_other_fields_are_told_as_they_are(field: str, optimizer: str) -> None:
    check(configured(made(), {field: OTHERS[field], "train.optimizer": optimizer}))


@pytest.mark.parametrize("name", ["faces", "celeba"])
@pytest.mark.parametrize("sizes", [{"train": 800, "valid": 100, "test": 40}, CELEBA])
@pytest.mark.parametrize("tasks", [DEFAULT, WITH_BALD, UNKNOWN, ALL])
def test_images_and_attributes_are_told_as_they_are(tasks: tuple[str, ...], sizes: dict[str, int], name: str) -> None:
    case = configured(made(tasks), {"data.name": name}, sizes)
    if tasks != UNKNOWN:
        check(case)
    else:  # whose files these are is not known, even if they are as many
        assert "those of CelebA" not in text_of(case.study)


@pytest.mark.parametrize("num_epochs", [1, 2, 30])
@pytest.mark.parametrize("methods", [("joint",), ("joint", "dst"), ("joint", "dst_stagnancy", "random_drop")])
def test_epochs_and_methods_are_told_as_they_are(methods: tuple[str, ...], num_epochs: int) -> None:
    study = made(UNKNOWN, methods, num_epochs=num_epochs)
    if len(methods) > 1:
        check(configured(study, {}))
    text = text_of(study)
    assert ("may score higher" in text) == (num_epochs > 1)
    assert ("DST, stagnancy against" in text) == ("dst_stagnancy" in methods), "the table of gains"
    assert ("The run is DST, stagnancy with seed 0" in text) == ("dst_stagnancy" in methods), "the worked example"
    assert ("DST against joint training" in text) == ("dst" in methods)


def test_two_seeds_get_a_verdict() -> None:
    check(configured(made(UNKNOWN, ("joint", "dst"), num_seeds=2), {}))


def test_the_best_epoch_is_the_runs() -> None:
    study = made(UNKNOWN, ("joint", "dst"), num_epochs=30)
    runs = copy.deepcopy(study.runs)
    runs["joint"][0].results["best_epoch"] = 7
    at_7, at_30 = (f"{100 * runs['joint'][0].epochs[epoch - 1]['valid']['overall_accuracy']:.1f}" for epoch in (7, 30))
    text = text_of(study._replace(runs=runs))
    assert f"{at_7} % after the best, epoch 7, and {at_30} % after the last" in text
    assert "the best of some runs" in text and "the best of every run" not in text
    runs["dst"][0].results["best_epoch"] = 8
    text = text_of(study._replace(runs=runs))
    assert "the last epoch is the best of no run" in text and "may score higher" not in text


def test_lambda_and_beta_are_those_that_acted() -> None:
    text = text_of(made(UNKNOWN, ("joint", "dst_stagnancy"), num_epochs=3))
    assert "[$lambda_u$, incompleteness], [0], [does not count]" in text
    assert "[$lambda_r$, stagnancy], [0.8], [tasks whose loss falls fastest" in text
    assert "[$beta$], [0.5], [weight of the newest" in text
    text = text_of(made(UNKNOWN, ("joint", "dst"), num_epochs=1))
    assert "[$beta$], [0.5], [no effect" in text


def test_metrics_of_ours_are_marked_as_ours(tmp_path: Path) -> None:
    given = {"dst.keep_last": 1, "model.head_init": "zero"}
    text = text_of(read_study(write_study(tmp_path, ("joint", "dst_signal"), 1, 3, UNKNOWN, 40, overrides=given)))
    assert "[$lambda$, signal (ours)], [0.8], [a metric that the paper does not have" in text
    assert "two halves of the batch" in text and "and V is ln 2 before training" in text
    assert 'lambda_"signal" P_"signal"' in text and "last epochs no task is dropped (our choice)" in text
    assert "metrics of ours" not in text_of(made(UNKNOWN, ("joint", "dst"), num_epochs=3))


def with_figures(study: StudyRecord, task: str, positives: int, accuracies: dict[str, float]) -> StudyRecord:
    """The study with another number of positive test images, and other accuracies of a task beside a guess of 90%."""
    runs, results = copy.deepcopy(study.runs), copy.deepcopy(study.results)
    next(iter(runs["joint"].values())).results["test"]["tasks"][task] |= {"count": 100, "positives": positives}
    results["majority_accuracy"]["tasks"][task] = 0.9
    for method, accuracy in accuracies.items():
        results["methods"][method]["tasks"][task]["accuracy"]["mean"] = accuracy
    return study._replace(runs=runs, results=results)


@pytest.mark.parametrize(
    ("positives", "accuracies", "said"),
    [
        (3, {"joint": 0.95, "dst": 0.95}, "rare"),
        (97, {"joint": 0.95, "dst": 0.95}, "nearly always present"),
        (0, {"joint": 0.95, "dst": 0.95}, "no test image has it: the test says nothing of it"),
        (40, {"joint": 0.95, "dst": 0.95}, "every method is above the guess"),
        (40, {"joint": 0.9, "dst": 0.95}, 'not above the guess: #"joint training";'),
        (40, {"joint": 0.7, "dst": 0.8}, "not above the guess: every method"),
        (3, {"joint": 0.7, "dst": 0.8}, "rare; not above the guess: every method"),
    ],
)
def test_what_is_said_of_an_attribute_is_so(positives: int, accuracies: dict[str, float], said: str) -> None:
    study = with_figures(made(WITH_BALD, ("joint", "dst"), num_seeds=2), "Bald", positives, accuracies)
    assert "; ".join(remarks(study, "Bald")) == said
    text = text_of(study)
    below = [name for name, method in (("joint training", "joint"), ("DST", "dst")) if accuracies[method] <= 0.9]
    names = {0: "", 1: f"Bald ({', '.join(below)})", 2: "Bald (under every method)"}[len(below)]
    assert ("*Not above the majority guess*" in text) == bool(below) and names in text


def test_gates_shut_are_counted() -> None:
    study = made(UNKNOWN, ("joint", "dst"), num_seeds=2, num_epochs=30)
    gates = [gate for run in study.runs["dst"].values() for line in run.dst for gate in line["G"].values()]
    text = text_of(study)
    assert f"DST *shut {gates.count(0)} of {len(gates)} gates*" in text
    assert gates.count(0) > 0 and "rests on these gates" in text


def test_variants_are_told_by_their_fields() -> None:
    study = made(UNKNOWN, ("joint", "dst"))
    case = configured(
        study, {"study.variants": {"dst": {"dst": {"beta": 0.1}, "data": {"label_fractions": ["a=0.5"]}}}}
    )
    text = text_of(case.study)
    assert "a variant: dst.beta = 0.1, data.label_fractions = a=0.5" in text
    assert "same for all methods but for what a variant names" in text


def said_in_video(study: StudyRecord, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that the first shot and the outcome write."""
    said: list[str] = []
    text = ImageDraw.ImageDraw.text

    def listen(self: ImageDraw.ImageDraw, xy: Any, words: str, **how: Any) -> None:
        said.append(words)
        text(self, xy, words, **how)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", listen)
    run = choose_run(study)
    for shot in (*title(study, run, []), *outcome(study, run)):
        render(shot.drawing, (192, 108))
    return " ".join(said)


@pytest.mark.parametrize(("backbone", "name"), [("resnet18", "ResNet-18"), ("vgg16", "VGG-16")])
@pytest.mark.parametrize("num_seeds", [1, 2])
def test_the_video_says_what_was_done(
    backbone: str, name: str, num_seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = made(UNKNOWN, ("joint", "dst"), num_seeds=num_seeds)
    said = said_in_video(configured(study, {"model.backbone": backbone}).study, monkeypatch)
    assert f"{name}, 800 drawn training faces" in said
    assert ("one seed" in said) == (num_seeds == 1)
    assert ("undecided" in said) == (num_seeds == 2)
    assert "rates that follow from their progress" in said


def test_the_video_of_single_tasks_has_many_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "A network for each of 2 face attributes" in said_in_video(made(UNKNOWN, ("single_task",)), monkeypatch)
