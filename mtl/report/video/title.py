"""The first seconds: what is shown."""

from PIL import Image

from mtl.record.reading import RunRecord, StudyRecord
from mtl.report.names import name_in_sentence, network_name
from mtl.report.shown import has_many
from mtl.report.terms import terms
from mtl.report.video import words
from mtl.report.video.canvas import MUTED, ORANGE, TEXT, WIDTH, Canvas, picture, rectangle, wrap, write
from mtl.report.video.film import Shot


def title(study: StudyRecord, run: RunRecord, images: list[Image.Image]) -> list[Shot]:
    """One still.

    Args:
      study, run: what the video is about.
      images: faces for a strip along the bottom; may be none.
    """
    config, sizes = study.config["config"], study.results["split_sizes"]
    num_epochs, num_tasks = len(run.epochs), len(study.results["tasks"])
    pixels = config["data"]["image_size"]
    drawn = "drawn " if config["data"]["name"] == "faces" else ""
    called = terms(study)
    seen = f"{words.count(sizes['train'], f'{drawn}training {called.image}')} of {pixels} x {pixels} pixels"
    facts = f"{network_name(config['model'])}, {seen}, {words.count(num_epochs, 'epoch')}"
    methods = [name_in_sentence(method) for method in study.results["methods"]]
    listed = f"{len(methods)} methods" if has_many(study) else words.join(methods)
    compared = f"Compared: {listed}" if len(methods) > 1 else f"Method: {methods[0]}"

    what = "face attribute" if called.image == "face" else "task"
    alone = [*study.results["methods"]] == ["single_task"]
    networks = "A network for each of" if alone else "One network learns"

    def draw(canvas: Canvas) -> None:
        top = 150 if images else 220
        write(
            canvas,
            WIDTH / 2,
            top,
            f"{networks} {words.count(num_tasks, what)}",
            54,
            TEXT,
            "mm",
            True,
        )
        rectangle(canvas, (WIDTH / 2 - 40, top + 50, WIDTH / 2 + 40, top + 54), ORANGE)
        lines = [facts, *wrap(compared, 24, WIDTH - 200)]
        if run.results["method"] == "dst":
            lines.append(_what_dst_does(run))
        for n, words_of_line in enumerate(lines):
            write(
                canvas,
                WIDTH / 2,
                top + 100 + 42 * n,
                words_of_line,
                24,
                TEXT if n == 0 else MUTED,
                "mm",
                width=WIDTH - 80,
            )
        for n, image in enumerate(images):
            side = (WIDTH - 80 - 16 * (len(images) - 1)) / len(images)
            left = 40 + n * (side + 16)
            picture(canvas, image, (left, 640 - side, left + side, 640))

    return [Shot(draw, 3.2)]


def _what_dst_does(run: RunRecord) -> str:
    """A line on DST; its rates follow from the tasks' progress only where lambda_u or lambda_r is not 0."""
    weights = run.dst[0]["weights"]
    on_gradients = ", ".join(weights.get("ours", {}))
    progress = "their progress" if weights["u"] + weights["r"] > 0 else "their depth and number of samples"
    if on_gradients and weights["d"] + weights["c"] + weights["u"] + weights["r"] == 0:
        progress = f"their gradients ({on_gradients})"
    return f"DST (Dropped Scheduled Task) may leave tasks out of training, at rates that follow from {progress}"
