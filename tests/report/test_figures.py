"""Every figure shows the study's own numbers, fits its page, and can be drawn for small and large studies."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from mtl.methods import METHODS as BALANCING
from mtl.record.reading import RunRecord, StudyRecord, read_study
from mtl.report import style
from mtl.report.figures import OF_METHOD, OF_STUDY, WITH_IMAGES, draw_figures
from mtl.report.figures.accuracy import accuracy, balance
from mtl.report.figures.calibration import calibration
from mtl.report.figures.confusion import confusion, normalised
from mtl.report.figures.curves import learning_curves, task_curves
from mtl.report.figures.faces import Face, describe, faces, mistakes, read_examples, saliency
from mtl.report.figures.gains import all_gains, gains
from mtl.report.figures.gradients import gradients
from mtl.report.figures.kinds import class_confusion, scatter
from mtl.report.figures.schedule import activation, gates, metrics
from mtl.report.names import METHOD_NAMES, task_name
from mtl.report.sections import diagnostics
from mtl.report.sections import gradients as gradients_in_words
from mtl.report.shown import shown_methods
from tests.report.synthetic import write_study

ALL_METHODS = tuple(style.METHOD_STYLES)
ALL_TASKS = tuple(json.loads(Path("mtl/data/celeba_statistics.json").read_text())["names"])


@pytest.fixture(autouse=True)
def fonts_of_the_report() -> Iterator[None]:
    with rc_context(style.RC):
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    methods = ("joint", "single_task", "dst", "random_drop")
    return read_study(write_study(tmp_path_factory.mktemp("study"), methods, num_epochs=3))


def test_gains_are_the_studys_differences(study: StudyRecord) -> None:
    study = _with_verdict(study, "dst", "joint", "Male", "loss")
    figure = _drawn(gains(study))
    panels = dict(zip(("joint", "single_task", "random_drop"), _pairs(figure.axes), strict=True))
    for reference, (overall, below) in panels.items():
        for method, compared in study.results["comparisons"].items():
            if reference == method:
                continue
            of_tasks = compared[reference]["accuracy"]["tasks"]
            expected = {task: 100 * gain["difference"] for task, gain in of_tasks.items()}
            assert _by_row(below, method, study) == pytest.approx(expected)
            marks = [x for line in _lines(overall, method) for x in line.get_xdata()]
            assert marks == pytest.approx([100 * compared[reference]["accuracy"]["overall"]["difference"]])
    filled = [line for line in _lines(panels["joint"][1], "dst") if line.get_markerfacecolor() != "white"]
    marks = [(x, round(y)) for line in filled for x, y in line.get_xydata()]
    male = study.results["comparisons"]["dst"]["joint"]["accuracy"]["tasks"]["Male"]["difference"]
    told_apart = {
        task
        for task, gain in study.results["comparisons"]["dst"]["joint"]["accuracy"]["tasks"].items()
        if gain["verdict"] in ("gain", "loss")
    }
    assert (pytest.approx(100 * male), 1) in marks
    assert {study.results["tasks"][row] for _, row in marks} == told_apart


def test_gains_lines_are_the_intervals(study: StudyRecord) -> None:
    below = _drawn(gains(study)).axes[1]
    drawn = {tuple(np.round(segment[:, 0], 9)) for lines in below.collections for segment in lines.get_segments()}
    expected = {
        tuple(np.round(100 * np.array(gain["interval"]), 9))
        for compared in study.results["comparisons"].values()
        for gain in compared.get("joint", {"accuracy": {"tasks": {}}})["accuracy"]["tasks"].values()
    }
    assert drawn == expected


def test_gains_need_two_methods(tmp_path: Path) -> None:
    alone = read_study(write_study(tmp_path, ("joint",), num_seeds=1, num_epochs=1, num_images=40))
    assert gains(alone) is None
    assert gates(alone) is None


def test_all_gains_shows_all_methods(tmp_path: Path) -> None:
    methods = (*ALL_METHODS, "mgda", "pcgrad")
    study = read_study(write_study(tmp_path, methods, num_seeds=1, num_epochs=1, num_images=40))
    panels = dict(zip(("joint", "single_task", "random_drop"), _drawn(all_gains(study)).axes, strict=True))
    for reference, axes in panels.items():
        for method in methods:
            if method != reference:
                gain = study.results["comparisons"][method][reference]["accuracy"]["overall"]
                marks = [x for line in _lines(axes, method) for x in line.get_xdata()]
                assert marks == pytest.approx([100 * gain["difference"]])
    drawn = {line.get_label() for line in _drawn(gains(study)).axes[1].lines}
    assert drawn & {*methods} == {*shown_methods(study)} - {"joint"}


def test_all_gains_is_drawn_only_where_gains_has_no_room(study: StudyRecord) -> None:
    assert all_gains(study) is None


def test_accuracy_shows_means_and_the_guess(study: StudyRecord) -> None:
    figure = accuracy(study)
    for axes, score in zip(figure.axes, ("accuracy", "balanced_accuracy"), strict=True):
        for method, scores in study.results["methods"].items():
            (line,) = _lines(axes, method)
            expected = [scores["tasks"][task][score]["mean"] for task in study.results["tasks"]]
            assert line.get_xdata() == pytest.approx(100 * np.array([*expected, scores["overall"][score]["mean"]]))
    ticks = next(lines for lines in figure.axes[0].collections if lines.get_label() == "guess")
    majority = study.results["majority_accuracy"]
    guesses = [segment[0, 0] for segment in ticks.get_segments()]
    assert guesses == pytest.approx(100 * np.array([*majority["tasks"].values(), majority["overall"]]))


def test_balance_sorts_by_frequency(study: StudyRecord) -> None:
    (axes,) = balance(study).axes
    test = study.runs["joint"][0].results["test"]["tasks"]
    widths = [bar.get_width() for bar in axes.patches]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert widths == sorted(widths, reverse=True)
    expected = {task_name(task): 100 * of["positives"] / of["count"] for task, of in test.items()}
    assert dict(zip(names, widths, strict=True)) == pytest.approx(expected)


def test_activation_is_the_mean_over_seeds(study: StudyRecord) -> None:
    axes = activation(study, "dst").axes[0]
    runs = study.runs["dst"].values()
    P = [[np.mean([run.dst[k]["P"][task] for run in runs]) for k in range(3)] for task in study.results["tasks"]]
    assert _cells(axes) == pytest.approx(np.array(P))
    assert [text.get_text() for text in axes.texts] == [f"{100 * (1 - p):.0f}" for of_task in P for p in of_task]
    (crosses,) = _lines(axes, "dropped")
    dropped = {
        (row, k)
        for row, task in enumerate(study.results["tasks"])
        for k, line in enumerate(study.runs["dst"][0].dst)
        if line["G"][task] == 0
    }
    assert {(round(y), int(x)) for x, y in crosses.get_xydata()} == dropped


def test_gates_are_those_of_every_seed(study: StudyRecord) -> None:
    panels = iter(_drawn(gates(study)).axes)
    for method in ("dst", "random_drop"):
        for run in study.runs[method].values():
            expected = [[line["G"][task] for line in run.dst] for task in study.results["tasks"]]
            assert _cells(next(panels)).tolist() == expected


def test_metrics_are_the_account(study: StudyRecord) -> None:
    figure = metrics(study, "dst")
    for axes, metric in zip(figure.axes, ("P_d", "P_c", "P_u", "P_r", "P"), strict=True):
        for task in study.results["tasks"]:
            (line,) = _lines(axes, task)
            assert line.get_ydata().tolist() == [of_epoch[metric][task] for of_epoch in study.runs["dst"][0].dst]


def test_metrics_of_ours_have_panels(tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path, ("dst_signal",), num_seeds=1, num_epochs=3))
    axes, task = metrics(study, "dst_signal").axes[0], study.results["tasks"][0]
    (line,) = _lines(axes, task)
    assert line.get_ydata().tolist() == [each["ours"]["signal"]["P"][task] for each in study.runs["dst_signal"][0].dst]
    assert "signal (ours)" in axes.get_title(loc="left")


def test_curves_are_means_over_seeds(study: StudyRecord) -> None:
    loss, overall, _ = learning_curves(study).axes
    male = task_curves(study).axes[study.results["tasks"].index("Male")]
    for method, runs in study.runs.items():
        epochs = [[run.epochs[k] for run in runs.values()] for k in range(3)]
        losses = [np.mean([list(line["losses"].values()) for line in lines]) for lines in epochs]
        accuracies = [100 * np.mean([line["valid"]["overall_accuracy"] for line in lines]) for lines in epochs]
        of_male = [100 * np.mean([line["valid"]["tasks"]["Male"]["accuracy"] for line in lines]) for lines in epochs]
        for axes, expected in ((loss, losses), (overall, accuracies), (male, of_male)):
            (line,) = _lines(axes, method)
            assert line.get_ydata() == pytest.approx(np.array(expected))


def test_confusion_cells_are_shares_of_the_truth(study: StudyRecord) -> None:
    axes = confusion(study).axes[1]
    counts = study.results["confusion"]["dst"]["Male"]
    present = counts["true_positives"] + counts["false_negatives"]
    assert axes.get_title(loc="left") == "Male"
    assert _cells(axes)[0] == pytest.approx([counts[kind] / present for kind in ("true_positives", "false_negatives")])
    assert axes.texts[0].get_text() == f"{100 * counts['true_positives'] / present:.1f}"


COUNTS = ("true_positives", "false_negatives", "false_positives", "true_negatives")


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4))
def test_confusion_rows_sum_to_one(numbers: list[int]) -> None:
    shares = normalised(dict(zip(COUNTS, numbers, strict=True)))
    for share, of_class in zip(shares, (numbers[:2], numbers[2:]), strict=True):
        assert np.isnan(share).all() if sum(of_class) == 0 else share.sum() == pytest.approx(1)


def test_calibration_shows_bins_and_errors(study: StudyRecord) -> None:
    figure = calibration(study)
    for method, of_method in study.results["calibration"].items():
        bins = of_method["overall"]["bins"]
        (diagram,), (errors,) = (_lines(axes, method) for axes in figure.axes)
        assert diagram.get_xydata().T.tolist() == [bins["confidence"], bins["accuracy"]]
        expected = [100 * of_method["tasks"][task]["expected_calibration_error"] for task in study.results["tasks"]]
        assert errors.get_xdata() == pytest.approx(np.array(expected))


def test_gradients_are_the_cosines_of_joint_training(study: StudyRecord) -> None:
    axes = _drawn(gradients(study)).axes
    rows = {"features": axes[:3], "parameters": axes[4:7]}  # each followed by its scale
    for level, panels in rows.items():
        assert [panel.get_title(loc="left") for panel in panels] == ["epoch 1", "epoch 2", "epoch 3"]
        limits = {panel.collections[0].get_clim() for panel in panels}
        assert len(limits) == 1 and sum(limits.pop()) == 0, "one scale for the row, 0 in its middle"
        for panel, line in zip(panels, study.runs["joint"][0].epochs, strict=True):
            expected = np.array(line["gradients"][level]["cosines"])
            np.fill_diagonal(expected, np.nan)
            assert _blank_as_nan(panel) == pytest.approx(expected, nan_ok=True)
            assert [label.get_text() for label in panel.get_xticklabels()] == [*map(task_name, _tasks(study))]


def test_gradients_conflict_as_the_runs_say(study: StudyRecord) -> None:
    panel = _drawn(gradients(study)).axes[-1]
    for method in ("joint", "dst", "random_drop"):
        shares = [[line["conflicting"]["features"] for line in run.epochs] for run in study.runs[method].values()]
        (line,) = _lines(panel, method)
        assert line.get_ydata() == pytest.approx(100 * np.mean(shares, axis=0))
    assert not _lines(panel, "single_task"), "networks that share nothing cannot conflict"


def test_gradients_that_were_not_compared_are_blank(study: StudyRecord) -> None:
    def forget_first_pair(line: dict[str, Any]) -> None:
        for field in line["gradients"]["features"].values():
            field[0][1] = field[1][0] = None
        del line["gradients"]["parameters"], line["conflicting"]["parameters"]

    forgetful = _with_epochs(study, forget_first_pair)
    figure = _drawn(gradients(forgetful))
    assert len(figure.axes) == 3 + 1 + 1, "no row for the parameters"
    for panel in figure.axes[:3]:
        blank = np.argwhere(np.isnan(_blank_as_nan(panel)))
        assert {(i, j) for i, j in blank.tolist() if i != j} == {(0, 1), (1, 0)}
    assert "At the parameters" not in gradients_in_words.section(forgetful, {})


def test_gradients_name_the_pairs_that_stand_out(study: StudyRecord) -> None:
    def make_up(line: dict[str, Any]) -> None:
        num_tasks = len(study.results["tasks"])
        cosines, conflicts = np.zeros((2, num_tasks, num_tasks))
        cosines[0, 1] = cosines[1, 0] = 0.25  # Smiling, Male
        cosines[2, 4] = cosines[4, 2] = -0.125  # Black_Hair, 5_o_Clock_Shadow
        conflicts[2, 4] = conflicts[4, 2] = conflicts[0, 3] = conflicts[3, 0] = 0.75  # as often, but less
        described = {"cosines": cosines.tolist(), "conflicts": conflicts.tolist()}
        line |= {"gradients": {"features": described}, "conflicting": {"features": line["epoch"] / 10}}

    text = gradients_in_words.section(_with_epochs(study, make_up), {})
    assert re.search(r'most alike are the gradients of #"Smiling"; and #"Male";, with a cosine of #n.*"\+0.2500"', text)
    often = (
        r'#"Black Hair"; and #"5 o Clock Shadow"; conflict most often, in #n.*"75.0".*, with a cosine of #n.*"-0.1250"'
    )
    assert re.search(often, text)
    shares = re.search(r'#"DST";\], \[#n\((.*)\);\], \[#n\((.*)\);\],', text)
    assert shares is not None
    assert [share.split('"')[-2] for share in shares.groups()] == ["10.0", "30.0"], "first and last epoch"


def test_a_study_from_before_gradients_were_compared_says_nothing(study: StudyRecord) -> None:
    def make_old(line: dict[str, Any]) -> None:
        del line["gradients"], line["conflicting"]
        line["gramian"] = [[1.0]]

    old = _with_epochs(study, make_old)
    assert gradients(old) is None
    assert gradients_in_words.section(old, {}) == ""
    assert "gradients agree" not in diagnostics.section(old, {})
    assert "gradients agree" in diagnostics.section(study, {})


def test_gradients_of_many_tasks_are_those_that_stand_out(tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path, ("dst",), num_seeds=1, num_epochs=2, tasks=ALL_TASKS, num_images=40))
    panel = _drawn(gradients(study)).axes[1]
    cosines = np.array(study.runs["dst"][0].epochs[-1]["gradients"]["features"]["cosines"])
    np.fill_diagonal(cosines, 0.0)
    largest = dict(zip(map(task_name, ALL_TASKS), np.abs(cosines).max(axis=0), strict=True))
    names = [label.get_text() for label in panel.get_xticklabels()]
    assert len(names) == 16
    others = [value for name, value in largest.items() if name not in names]
    assert min(largest[name] for name in names) >= max(others), "one of a pair may be shown, and the other not"
    shown = [list(largest).index(name) for name in names]
    assert np.nan_to_num(_blank_as_nan(panel)) == pytest.approx(cosines[np.ix_(shown, shown)])


def test_face_is_described_by_hand() -> None:
    face = _face(probabilities=[0.9, 0.8, 0.2, 0.1, 0.7], labels=[1, 0, 1, 0, 0], known=[1, 1, 1, 1, 0])
    names = ["hat", "smile", "beard", "bald", "young"]
    assert describe(face, names, names) == [
        ("hat", style.INK),
        ("young", style.INK),  # nobody knows better
        ("✗ smile", style.WRONG),
        ("○ beard", style.MISSED),
    ]
    assert describe(_face([0.1], [0], [1]), ["hat"], ["hat"])[0][0] == "none of the attributes"


def test_long_description_keeps_the_mistakes() -> None:
    names = [f"a{k}" for k in range(20)]
    lines = [text for text, _ in describe(_face([0.9] * 20, [1] * 19 + [0], [1] * 20), names, names)]
    assert lines == [*(f"a{k}" for k in range(7)), "and 12 more", "✗ a19"]


def test_mistakes_are_the_most_confident(study: StudyRecord) -> None:
    examples = read_examples(study)
    assert examples is not None
    texts = [text.get_text() for text in _drawn(mistakes(study)).axes[0].texts]
    for k, (task, face) in enumerate(zip(study.results["tasks"], examples.mistakes, strict=True)):
        said = face.probability_K[k] > 0.5
        assert said != face.label_K[k]
        at = texts.index(task_name(task))
        sureness = max(face.probability_K[k], 1 - face.probability_K[k])
        assert texts[at + 1] == f"said {'yes' if said else 'no'}, {100 * sureness:.1f}%"
        assert texts[at + 2] == f"label: {'no' if said else 'yes'}"


def test_faces_and_saliency_show_every_image(study: StudyRecord) -> None:
    examples = read_examples(study)
    assert examples is not None
    assert len(_drawn(faces(study)).axes[0].images) == len(examples.random)
    assert len(_drawn(saliency(study)).axes[0].images) == 6 * (1 + len(study.results["tasks"]))


def test_all_figures_are_written_and_only_faces_hold_images(tmp_path: Path) -> None:
    small = write_study(tmp_path, ("joint", "dst"), num_seeds=1, num_epochs=2, tasks=ALL_TASKS[:2], num_images=40)
    paths = draw_figures(read_study(small), tmp_path / "figures")
    of_other_kinds = {"class_confusion", "scatter"}
    assert set(paths) == set(OF_STUDY) - {"all_gains"} - of_other_kinds | {f"{name}_dst" for name in OF_METHOD}
    for name, path in paths.items():
        assert ("<image" in path.read_text()) == (name in WITH_IMAGES), name
        assert path.name == f"{name}.svg"


def test_a_figure_is_the_same_file_again(study: StudyRecord, tmp_path: Path) -> None:
    once, again = (style.save(balance(study), tmp_path / name).read_bytes() for name in ("once.svg", "again.svg"))
    assert once == again


def test_no_examples_no_faces(study: StudyRecord) -> None:
    runs = {method: {0: run[0]._replace(folder=Path("nowhere"))} for method, run in study.runs.items()}
    bare = study._replace(runs=runs)
    assert (faces(bare), mistakes(bare), saliency(bare)) == (None, None, None)


SIZES: dict[str, dict[str, Any]] = {
    "least": {"methods": ("joint",), "num_seeds": 1, "num_epochs": 1, "tasks": ALL_TASKS[:2], "num_images": 40},
    "many tasks": {"methods": ("joint", "dst"), "num_seeds": 1, "num_epochs": 13, "tasks": ALL_TASKS},
    "many methods": {"methods": ALL_METHODS, "num_seeds": 3, "num_epochs": 3, "tasks": ALL_TASKS[4:8]},
    "all methods, many tasks": {
        "methods": ("joint", *METHOD_NAMES, *BALANCING),
        "num_seeds": 1,
        "num_epochs": 2,
        "tasks": ALL_TASKS,
        "num_images": 40,
    },
    "many epochs": {"methods": ("dst", "a_new_method"), "num_seeds": 10, "num_epochs": 60, "tasks": ALL_TASKS[:3]},
}


ALIKE = ("balance", "confusion", "faces", "mistakes", "saliency")  # with two methods and with all


@pytest.mark.parametrize("size", SIZES)
def test_every_size_fits_its_page(size: str, tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path, **SIZES[size]))
    many = size == "all methods, many tasks"
    drawn = {name: draw(study) for name, draw in OF_STUDY.items() if not (many and name in ALIKE)}
    if "dst" in study.runs and not many:
        drawn |= {name: draw(study, "dst") for name, draw in OF_METHOD.items()}
    for name, figure in drawn.items():
        if figure is not None:
            _assert_fits(name, figure)


def test_styles_are_fixed_and_distinct() -> None:
    assert style.method_styles(["dst"])["dst"] == style.method_styles(ALL_METHODS)["dst"]
    assert len({(look.colour, look.marker) for look in style.task_styles(ALL_TASKS).values()}) == len(ALL_TASKS)
    new = style.method_styles(["joint", "new"])
    assert new["new"] != new["joint"]


def _assert_fits(name: str, figure: Figure) -> None:
    """The figure is no higher than a page, no text leaves it, and none lies on another one."""
    assert figure.get_figheight() * 25.4 <= style.MAX_HEIGHT, name
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    texts = _shown_texts(figure)
    words = np.array([text.get_text() for text in texts])
    boxes = np.array([text.get_window_extent(renderer).extents for text in texts])
    width, height = figure.bbox.size
    inside = (boxes[:, :2] > -1).all(axis=1) & (boxes[:, 2] < width + 1) & (boxes[:, 3] < height + 1)
    assert inside.all(), f"{name}: {words[~inside]} leaves the page"
    lower = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    upper = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    on_another = np.argwhere(np.triu((upper - lower > 1).all(axis=2), k=1))
    assert not len(on_another), f"{name}: {words[on_another]} lie on each other"


def _shown_texts(figure: Figure) -> list[Text]:
    """All texts but the labels of ticks that are out of view."""
    out_of_view = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
            out_of_view |= {label for tick in ticks for label in (tick.label1, tick.label2)}
    texts: list[Any] = figure.findobj(Text)
    return [text for text in texts if text.get_visible() and text.get_text().strip() and text not in out_of_view]


def _drawn(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


def _pairs(axes: list[Axes]) -> list[tuple[Axes, Axes]]:
    return list(zip(axes[::2], axes[1::2], strict=True))


def _lines(axes: Axes, label: str) -> list[Any]:
    return [line for line in axes.lines if line.get_label() == label]


def _by_row(axes: Axes, method: str, study: StudyRecord) -> dict[str, float]:
    tasks = study.results["tasks"]
    return {tasks[round(y)]: x for line in _lines(axes, method) for x, y in line.get_xydata()}


def _cells(axes: Axes) -> np.ndarray:
    return np.array(axes.collections[0].get_array())


def _blank_as_nan(axes: Axes) -> np.ndarray:
    return np.ma.filled(axes.collections[0].get_array(), np.nan)


def _tasks(study: StudyRecord) -> list[str]:
    return study.results["tasks"]


def _with_epochs(study: StudyRecord, change: Callable[[dict[str, Any]], None]) -> StudyRecord:
    """The study with every epoch's line changed; the original stays as it is."""

    def changed(run: RunRecord) -> RunRecord:
        epochs = copy.deepcopy(run.epochs)
        for line in epochs:
            change(line)
        return run._replace(epochs=epochs)

    runs = {method: {seed: changed(run) for seed, run in of.items()} for method, of in study.runs.items()}
    return study._replace(runs=runs)


def _with_verdict(study: StudyRecord, method: str, reference: str, task: str, verdict: str) -> StudyRecord:
    results = json.loads(json.dumps(study.results))
    results["comparisons"][method][reference]["accuracy"]["tasks"][task]["verdict"] = verdict
    return study._replace(results=results)


def _face(probabilities: list[float], labels: list[int], known: list[int]) -> Face:
    pixels = np.zeros((2, 2, 3), dtype=np.uint8)
    said, there = np.array(probabilities) > 0.5, np.array(labels, bool)
    words = (np.where(answers, "yes", "no") for answers in (said, there))
    return Face(pixels, pixels, np.array(probabilities), there, np.array(known, bool), *words, said == there)


def test_other_tasks_are_described_by_their_words() -> None:
    face = _face([0.9, 0.8, np.nan], [1, 0, 0], [1, 1, 0])._replace(
        said_K=np.array(["yes", "red", "41.5"]), truth_K=np.array(["yes", "brown", "?"])
    )
    assert describe(face, ["hat", "hair", "age"], ["hat"]) == [
        ("✗ hair: red (brown)", style.WRONG),
        ("age: 41.5", style.INK),
        ("hat", style.INK),
    ]


def test_classes_have_their_confusion_and_numbers_their_labels(study: StudyRecord) -> None:
    kinds = [{"name": "classes", "classes": ["a", "b", "c"]}, {"name": "regression", "classes": []}]
    pairs = {"label": [20.0, 40.0], "said": [25.0, 35.0]}
    results = study.results | {"tasks": ["hair", "age"], "kinds": kinds, "scatter": {"dst": {"age": pairs}}}
    results["confusion"] = {"dst": {"hair": {"counts": [[3, 1, 0], [0, 2, 2], [0, 0, 0]]}}}
    mixed = study._replace(results=results)
    cells = _drawn(class_confusion(mixed)).axes[0]
    assert [text.get_text() for text in cells.texts] == ["75", "25", "0", "0", "50", "50", "-", "-", "-"]
    line, dots = _drawn(scatter(mixed)).axes[0].lines
    assert [*dots.get_xdata()] == pairs["label"] and [*dots.get_ydata()] == pairs["said"]
    assert [*line.get_xdata()] == [*line.get_ydata()] == [20.0, 40.0]
    assert class_confusion(study) is None and scatter(study) is None
