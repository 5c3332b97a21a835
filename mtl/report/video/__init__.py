"""The video: training as it goes, what came of it, and faces with what the network says of them."""

from pathlib import Path

from mtl.record.reading import RunRecord, StudyRecord
from mtl.report.video.faces import faces, read_faces
from mtl.report.video.film import Shot, length, write_film
from mtl.report.video.outcome import outcome
from mtl.report.video.title import title
from mtl.report.video.training import choose_tasks, training

SIZE = (1280, 720)
FPS = 16
SHORTEST = 24.0  # seconds of the whole video
TRAINING_SECONDS = (8.0, 20.0)  # the least and the most, unless there is little else to show
EPOCH_SECONDS = 2.4


def make_video(
    study: StudyRecord, path: Path, size: tuple[int, int] = SIZE, fps: int = FPS, show_progress: bool = True
) -> None:
    """Writes the video of a study, 20 to 60 seconds; what the study lacks is left out.

    Args:
      study: see `read_study`.
      path: of the mp4.
      size: width and height in pixels, even and 16 : 9.
      fps: frames per second.
      show_progress: whether to say on standard error how far it is.

    Raises:
      UserError: if PyAV is not installed.
    """
    write_film(story(study), path, size, fps, show_progress)


def story(study: StudyRecord) -> list[Shot]:
    """The shots of the video."""
    run = choose_run(study)
    examples = read_faces(study, run)
    opening = title(study, run, [face.image for face in examples.random[:8]])
    rest = [*outcome(study, run), *faces(examples, choose_tasks(run))]
    shortest, longest = TRAINING_SECONDS
    seconds = min(max(EPOCH_SECONDS * len(run.epochs), shortest), longest)
    seconds = max(seconds, SHORTEST - length(opening) - length(rest))
    return [*opening, *training(study, run, seconds), *rest]


def choose_run(study: StudyRecord) -> RunRecord:
    """The run that is watched, of the lowest seed: of DST, else of what drops tasks, else of joint training."""
    of_lowest_seed = {method: runs[min(runs)] for method, runs in study.runs.items()}
    method = min(of_lowest_seed, key=lambda name: (name != "dst", not of_lowest_seed[name].dst, name != "joint"))
    return of_lowest_seed[method]
