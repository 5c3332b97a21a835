"""What came of it: the accuracy of each method, and the gains over joint training with their intervals."""

from typing import Any, NamedTuple

from mtl.record.reading import RunRecord, StudyRecord
from mtl.report.findings import baseline
from mtl.report.names import name_in_sentence, task_name
from mtl.report.shown import shown_methods
from mtl.report.terms import main_score, terms
from mtl.report.video import words
from mtl.report.video.canvas import (
    GREEN,
    MUTED,
    ORANGE,
    PANEL,
    RULE,
    SKY,
    TEXT,
    VERMILION,
    WIDTH,
    Box,
    Canvas,
    disc,
    line,
    panel,
    rectangle,
    write,
)
from mtl.report.video.charts import round_ticks
from mtl.report.video.film import Shot
from mtl.report.video.training import choose_tasks, write_caption
from mtl.statistics import ONE_SEED

VERDICTS = {"gain": GREEN, "cannot be told apart": MUTED, "loss": VERMILION, ONE_SEED: MUTED}


class Row(NamedTuple):
    """A line of the forest plot; a heading if it has no gain."""

    name: str
    gain: dict[str, Any] | None


def outcome(study: StudyRecord, run: RunRecord) -> list[Shot]:
    """One still: accuracies on the left, gains on the right if there is anything to compare with."""
    shown = run.results["method"]
    comparisons = {
        method: of_method[baseline(study, method)]
        for method, of_method in study.results.get("comparisons", {}).items()
        if baseline(study, method) in of_method and method in shown_methods(study)
    }
    main = shown if shown in comparisons else next(iter(comparisons), None)
    called = terms(study)
    rows = forest_rows(comparisons, main, choose_tasks(run), called.score) if main else []
    sentence = (
        words.outcome(main, baseline(study, main), study.results["comparisons"][main], main_score(study))
        if main
        else _sentence_of_one(study, shown)
    )
    references = {name_in_sentence(baseline(study, method)) for method in comparisons}
    against = references.pop() if len(references) == 1 else "each one's baseline"

    def draw(canvas: Canvas) -> None:
        num_test = study.results["split_sizes"]["test"]
        write(canvas, 40, 44, "The outcome", 30, bold=True)
        tested = f"{words.count(num_test, f'test {called.image}')}, none of them trained on"
        write(canvas, WIDTH - 40, 44, tested, 20, MUTED, "rm")
        _draw_accuracies(canvas, (40, 84, 520 if rows else WIDTH - 40, 620), study)
        if rows:
            _draw_forest(canvas, (536, 84, WIDTH - 40, 620), rows, against, called.score)
        write_caption(canvas, sentence, ORANGE)

    return [Shot(draw, 7.0, fade=0.4)]


def forest_rows(
    comparisons: dict[str, dict[str, Any]], main: str, tasks: list[str], score: str = "accuracy"
) -> list[Row]:
    """All methods that are shown over the mean of the tasks, then one method task by task."""
    overall = [Row(name_in_sentence(method), of[score]["overall"]) for method, of in comparisons.items()]
    shown = words.share_of(len(tasks), len(comparisons[main][score]["tasks"]), "tasks")
    each = [Row(task_name(task), comparisons[main][score]["tasks"][task]) for task in tasks]
    return [Row("All tasks together", None), *overall, Row(f"{shown}: {name_in_sentence(main)}", None), *each]


def _sentence_of_one(study: StudyRecord, method: str) -> str:
    score = main_score(study)
    reached = study.results["methods"][method]["overall"][score]["mean"]
    guess = study.results["majority_accuracy"]["overall"]
    if score == "score":
        return f"The score is {words.percent(reached, 1)}; a guess without looking would get {words.percent(guess, 1)}."
    return (
        f"{words.percent(reached, 1)} of the answers are right; always giving the more frequent answer would get "
        f"{words.percent(guess, 1)}."
    )


def _draw_accuracies(canvas: Canvas, box: Box, study: StudyRecord) -> None:
    """A bar per method from 0 to 100 per cent, and one for the answer that needs no network."""
    called = terms(study)
    is_accuracy = called.score == "accuracy"
    what = "Right answers" if is_accuracy else "Score"
    panel(canvas, box, f"{what} on test {called.image}s, mean over tasks")
    guess = "always the more frequent answer" if is_accuracy else "the guess without looking"
    bars = {
        name_in_sentence(method): (study.results["methods"][method]["overall"][called.score]["mean"], SKY)
        for method in shown_methods(study)
    } | {guess: (study.results["majority_accuracy"]["overall"], MUTED)}
    left, right, top = box[0] + 20, box[2] - 90, box[1] + 56
    row = min(72.0, (box[3] - 12 - top) / len(bars))
    for n, (name, (accuracy, colour)) in enumerate(bars.items()):
        y = top + row * n
        write(canvas, left, y + 0.26 * row, name, min(18, 0.36 * row))
        rectangle(canvas, (left, y + 0.5 * row, right, y + 0.78 * row), RULE, 4)
        rectangle(canvas, (left, y + 0.5 * row, left + max(accuracy, 0.0) * (right - left), y + 0.78 * row), colour, 4)
        write(canvas, box[2] - 20, y + 0.64 * row, words.percent(accuracy, 1), 18, TEXT, "rm")


def _draw_forest(canvas: Canvas, box: Box, rows: list[Row], against: str, score: str) -> None:
    """A dot for each gain and a line for its interval; coloured by its verdict, hollow where there is none."""
    panel(canvas, box, f"Gain over {against} in points of {score}, with 95 % intervals")
    gains = [row.gain for row in rows if row.gain is not None]
    ends = [100 * end for gain in gains for end in gain["interval"] or [gain["difference"] or 0.0]]
    reach = max(1.05 * max(abs(end) for end in ends), 0.1)
    left, right, top, bottom = box[0] + 230, box[2] - 90, box[1] + 50, box[3] - 72

    def place(points: float) -> float:
        return (left + right) / 2 + points / reach * (right - left) / 2

    for tick in round_ticks(-reach, reach, 6):
        line(canvas, [(place(tick), top), (place(tick), bottom)], RULE, 1 if tick else 2)
        write(canvas, place(tick), bottom + 16, f"{tick:+.3g}" if tick else "0", 15, MUTED, "mm")
    height = min(40.0, (bottom - top) / len(rows))
    size = min(18.0, 0.75 * height)
    for n, row in enumerate(rows):
        y = top + height * (n + 0.5)
        if row.gain is None:
            write(canvas, box[0] + 20, y, row.name, size, MUTED)
            write(canvas, place(0) - 12, y, "worse", 0.85 * size, MUTED, "rm")
            write(canvas, place(0) + 12, y, "better", 0.85 * size, MUTED)
            continue
        colour = VERDICTS[row.gain["verdict"]]
        write(canvas, box[0] + 36, y, row.name, size, width=185)
        if row.gain["difference"] is None:  # of a task without a label in the test split
            write(canvas, box[2] - 20, y, "n/a", size, MUTED, "rm")
            continue
        if row.gain["interval"] is not None:
            line(canvas, [(place(100 * end), y) for end in row.gain["interval"]], colour, 3)
        _mark(canvas, place(100 * row.gain["difference"]), y, row.gain["verdict"])
        write(canvas, box[2] - 20, y, f"{100 * row.gain['difference']:+.2f}", size, TEXT, "rm")
    x = box[0] + 30.0
    found = {gain["verdict"] for gain in gains}
    for verdict in VERDICTS:
        if verdict in found:
            _mark(canvas, x, box[3] - 24, verdict)
            write(canvas, x + 14, box[3] - 24, verdict, 16, MUTED)
            x += 110 if verdict != "cannot be told apart" else 210


def _mark(canvas: Canvas, x: float, y: float, verdict: str) -> None:
    disc(canvas, x, y, 6, VERDICTS[verdict])
    if verdict == ONE_SEED:
        disc(canvas, x, y, 3.5, PANEL)
