"""The video: a film that plays, sentences that are so, and no study that it cannot show."""

import json
import shutil
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from mtl.errors import UserError
from mtl.record.reading import read_study
from mtl.report.video import choose_run, make_video, story, words
from mtl.report.video.canvas import HEIGHT, WIDTH, picture, rectangle, render, width_of, wrap
from mtl.report.video.charts import grown, round_ticks, spread
from mtl.report.video.faces import is_right, lit, read_faces
from mtl.report.video.film import ENCODER, Shot, frames, length, write_film
from mtl.report.video.outcome import outcome
from mtl.report.video.training import NUM_DETAIL, choose_tasks
from mtl.statistics import write_results
from mtl.statistics.tables import score_table
from tests.report.synthetic import write_study

SIZE, FPS = (192, 108), 4
ALL = "joint uncertainty single_task dst dst_depth dst_count dst_incompleteness dst_stagnancy random_drop".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


def film(path: Path) -> tuple[Any, float, list[np.ndarray]]:
    """The stream's codec, its length in seconds, and its frames."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        pictures = [frame.to_ndarray(format="gray") for frame in file.decode(stream)]
        return stream.codec_context, float(stream.duration * stream.time_base), pictures


@pytest.mark.parametrize("num_epochs", [1, 60])
def test_film_of_any_number_of_epochs(tmp_path: Path, num_epochs: int) -> None:
    study = read_study(write_study(tmp_path / "study", num_seeds=1, num_epochs=num_epochs))
    path = tmp_path / "demo.mp4"
    make_video(study, path, SIZE, FPS, show_progress=False)
    codec, seconds, pictures = film(path)
    assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", *SIZE)
    assert 20 <= seconds <= 60 and len(pictures) == round(seconds * FPS)
    num_changes = sum(np.abs(a.astype(float) - b).max() > 20 for a, b in pairwise(pictures))
    assert num_changes > 20
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "a player must find the index first"
    assert [file.name for file in tmp_path.glob("*.mp4")] == ["demo.mp4"]


def test_same_study_gives_the_same_bytes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_video(read_study(folder), tmp_path / name, (64, 36), FPS)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert "a.mp4" in capsys.readouterr().err


def test_bytes_do_not_depend_on_the_processor(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def content(name: str) -> bytes:
        make_video(read_study(folder), tmp_path / name, (64, 36), FPS, show_progress=False)
        return (tmp_path / name).read_bytes()

    vectorized = content("vectorized.mp4")
    monkeypatch.setitem(ENCODER, "x264-params", f"{ENCODER['x264-params']}:asm=0")  # C alone, as on a plain processor
    assert content("plain.mp4") == vectorized


def test_bytes_do_not_depend_on_what_memory_held(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = [Image.fromarray(generator.integers(0, 256, (9, 16, 3), dtype=np.uint8)) for _ in range(12)]
    shots = [Shot(lambda canvas, image=image: picture(canvas, image, (0, 0, WIDTH, HEIGHT)), 1.0) for image in images]
    contents = set()
    for n in range(4):
        garbage = [generator.integers(-300, 300, 20_000, dtype=np.int16) for _ in range(100)]
        del garbage
        write_film(shots, tmp_path / f"{n}.mp4", (64, 36), FPS, show_progress=False)
        contents.add((tmp_path / f"{n}.mp4").read_bytes())
    assert len(contents) == 1


def test_a_minute_of_noise_stays_under_8_megabytes(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)

    def noise() -> Shot:
        image = Image.fromarray(generator.integers(0, 256, (180, 320, 3), dtype=np.uint8))
        return Shot(lambda canvas: picture(canvas, image, (0, 0, WIDTH, HEIGHT)), 0.25)

    write_film([noise() for _ in range(40)], tmp_path / "noise.mp4", (480, 270), 4, show_progress=False)
    rate, buffer = 1e6, 2e6  # bits
    assert (tmp_path / "noise.mp4").stat().st_size < (10 * rate + buffer) / 8
    assert (60 * rate + buffer) / 8 < 8e6


def test_without_pyav_the_extra_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[report\]'"):
        make_video(read_study(folder), tmp_path / "demo.mp4", SIZE, FPS)


def without_examples(folder: Path) -> None:
    for path in folder.glob("*/*/examples.npz"):
        path.unlink()


def without_statistics(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps({k: v for k, v in results.items() if k != "comparisons"}))


@pytest.mark.parametrize(
    "remove", [[], [without_examples], [without_statistics], [without_examples, without_statistics]]
)
@pytest.mark.parametrize("methods", [("joint",), ("joint", "random_drop"), ("dst_depth",)])
def test_what_is_missing_is_left_out(tmp_path: Path, methods: tuple[str, ...], remove: list[Any]) -> None:
    folder = write_study(tmp_path / "study", methods, num_seeds=1, num_epochs=2, num_images=40)
    full = story(read_study(folder))
    for part in remove:
        part(folder)
    shots = story(read_study(folder))
    assert 20 <= length(shots) <= 60
    assert (len(shots) < len(full)) == (without_examples in remove)
    for shot in shots[::5]:
        assert len(set(render(shot.drawing, (64, 36)).tobytes())) > 10


@pytest.mark.parametrize(
    ("methods", "num_tasks", "num_epochs"), [(ALL, 40, 9), (("joint", "dst"), 2, 1), (("joint",), 40, 3)]
)
def test_all_words_stay_inside_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods: tuple[str, ...], num_tasks: int, num_epochs: int
) -> None:
    tasks = [f"An_Attribute_{k}" for k in range(num_tasks)]
    study = read_study(write_study(tmp_path / "study", methods, 1, num_epochs, tasks, num_images=60))
    outside, text = [], ImageDraw.ImageDraw.text

    def watch(self: ImageDraw.ImageDraw, xy: Any, words: str, **how: Any) -> None:
        box = self.textbbox(xy, words, how["font"], how["anchor"], stroke_width=how["stroke_width"])
        if words and (min(box) < 0 or box[2] > self.im.size[0] or box[3] > self.im.size[1]):
            outside.append(words)
        text(self, xy, words, **how)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", watch)
    shots = story(study)
    assert 20 <= length(shots) <= 60
    for shot in [shots[0], *shots[10:-15:25], shots[-15], *shots[-4:]]:
        render(shot.drawing, SIZE)
    assert not outside


def test_tasks_in_detail_are_those_with_the_highest_drop_rates(tmp_path: Path) -> None:
    tasks = [f"task_{k}" for k in range(15)]
    run = choose_run(read_study(write_study(tmp_path / "study", ("joint", "dst"), 1, 2, tasks, num_images=40)))
    for line in run.dst:
        line["P"] = {task: 1.0 if k in (0, 7, 14) else 0.5 for k, task in enumerate(tasks)}
    assert choose_tasks(run) == [task for k, task in enumerate(tasks) if k not in (0, 7, 14)]
    assert len(choose_tasks(run)) == NUM_DETAIL


@pytest.mark.parametrize(
    ("methods", "chosen"),
    [
        (("joint", "dst_count", "dst", "random_drop"), "dst"),
        (("joint", "dst_count"), "dst_count"),
        (("uncertainty", "joint"), "joint"),
        (("single_task",), "single_task"),
    ],
)
def test_the_run_that_is_watched(tmp_path: Path, methods: tuple[str, ...], chosen: str) -> None:
    study = read_study(write_study(tmp_path / "study", methods, 2, 1, num_images=40))
    run = choose_run(study)
    assert (run.results["method"], run.results["seed"]) == (chosen, 0)


def dst_line(epoch: int, P: dict[str, float], G: dict[str, float], I: dict[str, float] | None = None) -> dict[str, Any]:  # noqa: E741
    weights = dict.fromkeys("dcurb", 0.2)
    return {"epoch": epoch, "P": P, "G": G, "I": I or dict.fromkeys(P, 1.0), "weights": weights}


ON = {"Male": 1, "Wavy_Hair": 1, "Young": 1}
SPEED = {"Male": 0.3, "Wavy_Hair": 0.8, "Young": 0.5}
MIXED = {"Male": 0.74, "Wavy_Hair": 1.0, "Young": 0.9}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (dst_line(1, dict.fromkeys(ON, 1.0), ON), "Epoch 1: every task is trained; all drop rates are 0 %"),
        (
            dst_line(4, MIXED, ON | {"Male": 0}, SPEED),
            "Epoch 4: Male is dropped; it learns fastest, drop rate 26 %",
        ),
        (dst_line(4, MIXED, ON | {"Young": 0}, SPEED), "Epoch 4: Young is dropped; drop rate 10 %"),
        (dst_line(4, MIXED, ON | {"Male": 0}), "Epoch 4: Male is dropped; drop rate 26 %"),
        (
            dst_line(4, MIXED, ON | {"Male": 0, "Young": 0}, SPEED),
            "Epoch 4: Male and Young are dropped; drop rates 26 % and 10 %",
        ),
        (dst_line(5, MIXED, ON, SPEED), "Epoch 5: every task is trained; highest drop rate: Male, 26 %"),
        (
            dst_line(5, MIXED, ON | {"Male": 0.7}, SPEED),
            "Epoch 5: Male is trained least often, in 70 % of the steps; it learns fastest, drop rate 26 %",
        ),
        (
            dst_line(5, dict.fromkeys(ON, 0.96), ON | {"Male": 0}, SPEED),
            "Epoch 5: Male is dropped; the drop rate of each was 4 %",
        ),
        (
            dst_line(5, dict.fromkeys(ON, 0.96), ON, SPEED),
            "Epoch 5: every task is trained; the drop rate of each was 4 %",
        ),
        (
            dst_line(2, {**dict.fromkeys("abcde", 0.5), "d": 0.25}, {**dict.fromkeys("abcd", 0), "e": 1}),
            "Epoch 2: 4 of 5 tasks are dropped; highest drop rate: d, 75 %",
        ),
    ],
)
def test_caption_of_an_epoch(line: dict[str, Any], sentence: str) -> None:
    assert words.caption([line]) == sentence


def test_speed_is_named_only_where_the_drop_rate_depends_on_it() -> None:
    line = dst_line(4, MIXED, ON | {"Male": 0}, SPEED)
    line["weights"] = {"d": 0.5, "c": 0.3, "u": 0.0, "r": 0.0, "b": 0.2}
    assert words.caption([line]) == "Epoch 4: Male is dropped; drop rate 26 %"


def test_caption_of_several_epochs() -> None:
    on, off = dst_line(7, MIXED, ON), dst_line(8, MIXED | {"Male": 0.5}, ON | {"Male": 0})
    assert words.caption([on, off]) == (
        "Epochs 7 to 8: Male is dropped most often, in 1 of 2; highest drop rate: Male, 50 %"
    )
    assert words.caption([on, on | {"epoch": 8}]) == (
        "Epochs 7 to 8: every task is trained in all of them; highest drop rate: Male, 26 %"
    )
    steps = [dst_line(epoch, MIXED, ON | {"Young": gate}) for epoch, gate in ((3, 0.5), (4, 0.7))]
    assert words.caption(steps) == (
        "Epochs 3 to 4: Young is trained least often, in 60 % of the steps; highest drop rate: Male, 26 %"
    )


def test_caption_without_gates() -> None:
    line = {"epoch": 3, "losses": {"a": 0.2, "b": 0.4}, "valid": {"overall_accuracy": 0.8414}}
    assert words.caption_without_gates(line) == "Epoch 3: mean training loss 0.30; 84.1 % right on validation faces"


def test_outcome_says_what_the_verdicts_say() -> None:
    def comparison(difference: float, verdict: str, verdicts: list[str]) -> dict[str, Any]:
        overall = {"difference": difference, "interval": [difference - 0.002, difference + 0.002], "verdict": verdict}
        return {"accuracy": {"overall": overall, "tasks": {str(n): {"verdict": v} for n, v in enumerate(verdicts)}}}

    apart = "cannot be told apart"
    joint = comparison(0.001, apart, ["gain", apart, "loss", apart])
    assert words.outcome("dst", "joint", {"joint": joint}) == (
        "DST against joint training: +0.10 points (-0.10 to +0.30), cannot be told apart. "
        "By task: 1 gain, 1 loss, 2 cannot be told apart."
    )
    control = comparison(-0.005, "loss", ["loss", apart, "loss"])
    assert words.outcome("dst", "joint", {"joint": control, "random_drop": joint}) == (
        "DST against joint training: -0.50 points (-0.70 to -0.30), a loss. "
        "By task: 0 gains, 2 losses, 1 cannot be told apart. "
        "Against random dropping: +0.10 points (-0.10 to +0.30), cannot be told apart."
    )
    assert "random dropping" not in words.outcome("dst_depth", "joint", {"joint": control, "random_drop": joint})
    one = comparison(0.001, "one seed", ["one seed"])
    assert words.outcome("dst_few", "joint_few", {"joint_few": one}) == (
        "Dst few against joint few: +0.10 points (-0.10 to +0.30), one seed, so no verdict."
    )


def change_predictions(folder: Path, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
    for path in folder.glob("*/seed_*/predictions.npz"):
        arrays = dict(np.load(path))
        np.savez(path, **(arrays | change(arrays)))
    write_results(folder, with_comparisons=True)


def one_person(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All images show one, and one task has no label."""
    mask = arrays["mask"].copy()
    mask[:, 0] = False
    return {"identity": np.full_like(arrays["identity"], 7), "mask": mask}


def one_image(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: arrays[name][:1] for name in ("logits", "labels", "mask", "identity", "ids")}


@pytest.mark.parametrize("change", [one_person, one_image])
def test_an_outcome_without_intervals_says_so(
    change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder = write_study(tmp_path / "study", ("joint", "dst"), num_epochs=1, with_results=False)
    change_predictions(folder, change)
    study = read_study(folder)
    compared = study.results["comparisons"]["dst"]["joint"]["accuracy"]
    assert compared["overall"]["interval"] is None
    assert "(no interval)" in words.outcome("dst", "joint", study.results["comparisons"]["dst"])
    (shot,) = outcome(study, choose_run(study))
    assert np.ptp(np.asarray(render(shot.drawing, (320, 180)))) > 0
    table = score_table(study.results, "accuracy")
    assert ("n/a" in table) == (change is one_person)
    overall = [scores["overall"]["accuracy"]["mean"] for scores in study.results["methods"].values()]
    known = [
        np.mean([task["accuracy"]["mean"] for task in scores["tasks"].values() if task["accuracy"]["mean"] is not None])
        for scores in study.results["methods"].values()
    ]
    np.testing.assert_allclose(overall, known)  # what is undefined is in no mean


def test_faces_are_the_rows_that_the_examples_name(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "study"
    shutil.copytree(folder, copy)
    study = read_study(copy)
    run = choose_run(study)
    predictions = dict(np.load(run.folder / "predictions.npz"))
    predictions["logits"] = np.where(predictions["labels"], 5.0, -5.0)  # all right but one
    position = int(np.load(run.folder / "examples.npz")["positions"][-1])
    predictions["logits"][position, -1] *= -1
    np.savez(run.folder / "predictions.npz", **predictions)
    examples = read_faces(study, run)
    (k, face), tasks = examples.mistakes[0], run.results["tasks"]
    assert (len(examples.mistakes), k) == (1, len(tasks) - 1)
    assert [is_right(face, task) for task in range(len(tasks))] == [True] * k + [False]
    assert words.answer(float(face.probabilities_K[k]), 1) in ("yes, 99.3 %", "no, 99.3 %")
    assert words.yes_or_no(face.labels_K[k]) not in words.answer(float(face.probabilities_K[k]))


def test_saliency_lights_the_pixels_it_lies_on() -> None:
    saliency = np.zeros((20, 20), dtype=np.uint8)
    saliency[4:7, 12:15] = 255
    light = np.asarray(lit(Image.new("RGB", (20, 20), "grey"), saliency)).astype(int).sum(axis=-1)
    assert tuple(np.array(np.unravel_index(light.argmax(), light.shape)) // 8) in [(5, 13), (5, 12), (4, 13), (5, 14)]
    assert light[40, 108] > 2 * light[120, 30]


@given(st.lists(st.floats(0.01, 0.6), min_size=1, max_size=8), st.integers(1, 12))
def test_frames_last_as_long_as_their_shots(seconds: list[float], fps: int) -> None:
    shots = [
        Shot(lambda canvas, n=n: rectangle(canvas, (0, 0, WIDTH, HEIGHT), f"#{9 * n:02x}0000"), duration, fade=0.3)
        for n, duration in enumerate(seconds)
    ]
    assert sum(num_repeats for _, num_repeats in frames(shots, (16, 9), fps)) == round(sum(seconds) * fps)


def test_a_fade_goes_from_one_picture_to_the_next() -> None:
    shots = [
        Shot(lambda canvas, grey=grey: rectangle(canvas, (0, 0, WIDTH, HEIGHT), f"#{grey}"), 1.0, fade=0.3)
        for grey in ("000000", "808080")
    ]
    levels = [(image.getpixel((0, 0))[0], num_repeats) for image, num_repeats in frames(shots, (16, 9), 10)]
    assert levels == [(0, 10), (32, 1), (64, 1), (96, 1), (128, 7)]


def test_lines_grow() -> None:
    values = [0.5, None, 0.3, 0.1]
    assert grown(values, 0.5) == []
    assert grown(values, 1.0) == [(1, 0.5), (1.0, 0.5)]
    assert grown(values, 2.0) == [(1, 0.5), (2.0, pytest.approx(0.4))]
    assert grown(values, 4.0) == [(1, 0.5), (3, 0.3), (4, 0.1)]


@given(st.floats(-1e3, 1e3), st.floats(0, 1e3))
@example(0.0, 5e-324)
@example(5e-324, 0.0)
def test_ticks_are_few_and_evenly_spaced(low: float, width: float) -> None:
    ticks = round_ticks(low, low + width)
    assert 2 <= len(ticks) <= 6
    gaps = np.diff(ticks)
    assert (gaps > 0).all() and np.allclose(gaps, gaps[0])


def test_ticks_by_hand() -> None:
    assert round_ticks(0.13, 0.66) == pytest.approx([0.2, 0.4, 0.6])
    assert round_ticks(0.9, 0.9) == pytest.approx([0, 1])


@given(st.lists(st.floats(0, 100), max_size=12))
def test_labels_keep_their_order_and_distance(heights: list[float]) -> None:
    moved = spread(heights, 9, 0, 100)
    assert [moved[n] for n in sorted(range(len(heights)), key=heights.__getitem__)] == sorted(moved)
    assert all(b - a > 9 - 1e-6 for a, b in pairwise(sorted(moved)))
    assert not moved or max(moved) <= 100 + 1e-6


@given(st.lists(st.sampled_from(["Epoch", "26 %", "Wearing", "dropped;", "a"]), min_size=1, max_size=40))
def test_sentences_are_broken_between_words(words_of_sentence: list[str]) -> None:
    sentence = " ".join(words_of_sentence)
    lines = wrap(sentence, 20, 300)
    assert " ".join(lines) == sentence
    assert all(width_of(line, 20) <= 300 and not line.startswith("%") for line in lines)
