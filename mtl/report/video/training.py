"""Training as it goes: curves that grow, and beside them which tasks are trained, epoch by epoch."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from mtl.metrics import overall
from mtl.record.reading import RunRecord, StudyRecord
from mtl.report.names import name_in_sentence, task_name
from mtl.report.terms import Terms, terms
from mtl.report.video import words
from mtl.report.video.canvas import (
    GROUND,
    HEIGHT,
    MUTED,
    ORANGE,
    PANEL,
    RULE,
    SKY,
    TEXT,
    WIDTH,
    YELLOW,
    Box,
    Canvas,
    cross,
    disc,
    mix,
    panel,
    rectangle,
    wrap,
    write,
)
from mtl.report.video.charts import Series, line_chart
from mtl.report.video.film import Shot

NUM_DETAIL = 12  # tasks that are shown one by one
READING_SECONDS = 1.8  # a sentence stands at least this long
NUM_MOVING = 120  # distinct frames that the scene may take


class Scene(NamedTuple):
    """What stays the same while training goes on."""

    run: RunRecord
    losses: Sequence[Series]
    accuracies: Sequence[Series]
    tasks: Sequence[str]  # that are shown one by one
    num_tasks: int
    terms: Terms


def training(study: StudyRecord, run: RunRecord, seconds: float) -> list[Shot]:
    """A shot for every movement of every epoch; together `seconds` long."""
    tasks = choose_tasks(run)
    losses = [Series(task_name(task), [line["losses"][task] for line in run.epochs]) for task in tasks]
    accuracies = [
        Series(name_in_sentence(method), [overall(line["valid"]) for line in of_seeds[min(of_seeds)].epochs])
        for method, of_seeds in study.runs.items()
    ]
    scene = Scene(run, losses, accuracies, tasks, len(run.results["tasks"]), terms(study))
    num_epochs = len(run.epochs)
    per_epoch = seconds / num_epochs
    num_moving = min(10, max(2, NUM_MOVING // num_epochs))
    moving = min(0.7 * per_epoch, 1.0)
    together = max(1, round(READING_SECONDS / per_epoch))  # epochs that one sentence tells
    shots = []
    for epoch in range(num_epochs):
        first = epoch // together * together
        sentence = _sentence(run, first, min(first + together, num_epochs), scene.terms)
        for n in range(1, num_moving + 1):
            drawing = partial(_draw, scene=scene, epoch=epoch, share=n / num_moving, sentence=sentence)
            still = per_epoch - moving if n == num_moving else 0.0
            shots.append(Shot(drawing, moving / num_moving + still))
    return [shots[0]._replace(fade=0.3), *shots[1:]]


def choose_tasks(run: RunRecord) -> list[str]:
    """The tasks that are shown one by one: those with the highest drop rates, in the run's order."""
    tasks = run.results["tasks"]
    kept = sorted(tasks, key=lambda task: sum(line["P"][task] for line in run.dst))[:NUM_DETAIL]
    return [task for task in tasks if task in kept]


def _sentence(run: RunRecord, first: int, end: int, called: Terms) -> str:
    if run.dst:
        return words.caption(run.dst[first:end])
    return words.caption_without_gates(run.epochs[first], called.image)


def _draw(canvas: Canvas, scene: Scene, epoch: int, share: float, sentence: str) -> None:
    num_epochs, run = len(scene.run.epochs), scene.run
    write(canvas, 40, 44, f"Training: {name_in_sentence(run.results['method'])}", 30, bold=True)
    write(canvas, WIDTH - 40, 44, f"seed {run.results['seed']}, epoch {epoch + 1} of {num_epochs}", 24, MUTED, "rm")
    rectangle(canvas, (40, 76, WIDTH - 40, 80), RULE)
    rectangle(canvas, (40, 76, 40 + (WIDTH - 80) * (epoch + share) / num_epochs, 80), ORANGE)
    beside = bool(run.dst)
    upper: Box = (40, 96, 600, 352) if beside else (40, 96, 632, 612)
    lower: Box = (40, 364, 600, 620) if beside else (648, 96, WIDTH - 40, 612)
    title = f"{words.share_of(len(scene.tasks), scene.num_tasks, 'tasks')}: training loss"
    line_chart(canvas, upper, title, scene.losses, num_epochs, epoch + share, False)
    right = "right answers" if scene.terms.score == "accuracy" else "mean score"
    title = f"Each method: {right} on validation {scene.terms.image}s"
    line_chart(canvas, lower, title, scene.accuracies, num_epochs, epoch + share, True)
    if beside:
        _draw_tasks(canvas, (616, 96, WIDTH - 40, 620), scene, epoch, share)
    write_caption(canvas, sentence)


def write_caption(canvas: Canvas, sentence: str, colour: str = ORANGE) -> None:
    """One sentence, in two lines at most, under everything else."""
    lines = wrap(sentence, 23, WIDTH - 110)
    middle = HEIGHT - 50
    rectangle(canvas, (40, middle - 30, 45, middle + 30), colour)
    for n, words_of_line in enumerate(lines):
        write(canvas, 62, middle + 30 * (n - (len(lines) - 1) / 2), words_of_line, 23)


def _draw_tasks(canvas: Canvas, box: Box, scene: Scene, epoch: int, share: float) -> None:
    """Each task: its lamp, its activation probability as a bar, and a strip with a cell for each epoch so far."""
    panel(canvas, box)
    left, right = box[0] + 20, box[2] - 20
    lamp_x, bar, strip = left + 190, (left + 225, left + 385), (left + 405, right)
    for x, heading, anchor in (
        (left, "task", "lm"),
        (lamp_x, "trained", "mm"),
        (bar[0] + 20, "with probability", "lm"),
        (strip[0], "epoch by epoch", "lm"),
    ):
        write(canvas, x, box[1] + 26, heading, 16, MUTED, anchor)
    lines, num_epochs = scene.run.dst, len(scene.run.epochs)
    lowest = min([line["P"][task] for line in lines for task in scene.tasks] + [0.9])
    top, bottom = box[1] + 46, box[3] - 44
    row = min(56.0, (bottom - top) / len(scene.tasks))
    eased = min(1.0, 2 * share) ** 2 * (3 - 2 * min(1.0, 2 * share))
    for n, task in enumerate(scene.tasks):
        y = top + row * (n + 0.5)
        now, before = lines[epoch]["P"][task], lines[max(epoch - 1, 0)]["P"][task]
        P, gate = before + eased * (now - before), lines[epoch]["G"][task]
        write(canvas, left, y, task_name(task), 18, mix(MUTED, TEXT, gate), width=150)
        _lamp(canvas, lamp_x, y, 0.26 * row, gate)
        end = bar[1] - 52
        rectangle(canvas, (bar[0] + 20, y - 5, end, y + 5), RULE, 5)
        rectangle(canvas, (bar[0] + 20, y - 5, bar[0] + 20 + P * (end - bar[0] - 20), y + 5), SKY, 5)
        write(canvas, bar[1], y, words.percent(now), 17, TEXT, "rm")
        width = min((strip[1] - strip[0]) / num_epochs, 30)
        for past in range(epoch + 1):
            _cell(canvas, (strip[0] + past * width, y, width, 0.36 * row), lines[past], task, lowest)
    _draw_legend(canvas, left, box[3] - 22, lowest, scene)


def _lamp(canvas: Canvas, x: float, y: float, radius: float, gate: float) -> None:
    """Glows as often as the task is trained; an empty ring if it is dropped."""
    disc(canvas, x, y, radius + 4, mix(PANEL, YELLOW, 0.25 * gate))
    disc(canvas, x, y, radius, mix(RULE, YELLOW, gate))
    if gate == 0:
        disc(canvas, x, y, radius - 2.5, GROUND)


def _cell(
    canvas: Canvas, place: tuple[float, float, float, float], line: dict[str, Any], task: str, lowest: float
) -> None:
    """One epoch of one task: bluer the likelier it was to be trained; orange if it was dropped."""
    x, y, width, half = place
    dropped = line["G"][task] == 0
    shade = (line["P"][task] - lowest) / (1 - lowest)
    colour = ORANGE if dropped else mix(mix(PANEL, SKY, 0.15), SKY, shade)
    rectangle(canvas, (x, y - half, x + width - (1.5 if width > 6 else 0.5), y + half), colour, 2 if width > 6 else 0)
    if dropped and width > 14:
        cross(canvas, x + width / 2 - 0.75, y, 4, GROUND)


def _draw_legend(canvas: Canvas, x: float, y: float, lowest: float, scene: Scene) -> None:
    for n in range(6):
        rectangle(canvas, (x + 12 * n, y - 7, x + 12 * n + 12, y + 7), mix(mix(PANEL, SKY, 0.15), SKY, n / 5))
    write(canvas, x + 82, y, f"trained, activation probability {words.percent(lowest)} to 100 %", 15, MUTED)
    rectangle(canvas, (x + 404, y - 7, x + 420, y + 7), ORANGE, 2)
    write(canvas, x + 428, y, "dropped", 15, MUTED)
    if scene.num_tasks > len(scene.tasks):
        write(canvas, x + 584, y, f"{scene.num_tasks - len(scene.tasks)} more", 15, MUTED, "rm")
