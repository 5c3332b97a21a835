"""Where a study and its runs leave their files; no other place knows.

  WORKDIR/                  config.json, results.json, tables.md, report.pdf, demo.mp4, figures/, precision.json
  WORKDIR/<name>/seed_<s>/  config.json, metrics.jsonl, dst.jsonl, nonfinite.jsonl, results.json, predictions.npz,
                            logits.npz, examples.npz, checkpoint/, model/, events.out.tfevents.mtl
  .../model/                config.json, model.safetensors, README.md

`<name>` is that of a method, or of a variant of the study.
"""

import re
from pathlib import Path

from mtl.errors import UserError

CONFIG, RESULTS = "config.json", "results.json"  # of a study, and of each of its runs
TABLES, REPORT, VIDEO, FIGURES = "tables.md", "report.pdf", "demo.mp4", "figures"
PRECISION = "precision.json"  # of a study that lets it be chosen
METRICS, DST = "metrics.jsonl", "dst.jsonl"
NONFINITE = "nonfinite.jsonl"  # of a run in which some number was not finite
EVENTS = "events.out.tfevents.mtl"  # of a run, and of figures; TensorBoard looks for the word in the middle
PREDICTIONS, EXAMPLES = "predictions.npz", "examples.npz"
LOGITS = "logits.npz"  # what may be published of the predictions
CHECKPOINTS, BEST = "checkpoint", "best.pt"
MODEL, TENSORS, CARD = "model", "model.safetensors", "README.md"  # the folder of a trained network, and files in it
SEED = "seed_"
RUN_NAME = re.compile(r"[^\W_][\w +-]{0,59}")  # of 60 letters, a folder's name has at most 240 of 255 bytes


def why_no_name(name: str) -> str:
    """Why a run's folder may not have this name, as a request; "" if it may.

    Example:
      >>> why_no_name("lambda_b_0"), why_no_name("figures")
      ('', "that is the folder of the study's figures; choose another")
    """
    if not RUN_NAME.fullmatch(name):
        return "begin with a letter or digit, and use only these, spaces, _ + -, 60 at most"
    return "that is the folder of the study's figures; choose another" if name == FIGURES else ""


def run_file(name: str, seed: int, file: str = "") -> str:
    """A run's folder, or a file in it, relative to the study's.

    Raises:
      UserError: for a name that leads out of the study, or cannot be a folder's.

    Example:
      >>> run_file("dst", 0, RESULTS)
      'dst/seed_0/results.json'
    """
    if reason := why_no_name(name):
        raise UserError(f"a run is called {name!r}; {reason}")
    folder = f"{name}/{SEED}{seed}"
    return f"{folder}/{file}" if file else folder


def parse_run_file(place: str) -> tuple[str, int, str]:
    """Name, seed and file of what `run_file` wrote.

    Example:
      >>> parse_run_file("dst/seed_0/results.json")
      ('dst', 0, 'results.json')
    """
    name, folder, file = place.split("/")
    return name, int(folder.removeprefix(SEED)), file


def run_folder(workdir: Path, name: str, seed: int) -> Path:
    """Where a run of a study leaves its files; `name` is that of its variant or method.

    Example:
      >>> run_folder(Path("study"), "dst", 0).as_posix()
      'study/dst/seed_0'
    """
    return workdir / run_file(name, seed)


def find_files(workdir: Path, file: str) -> list[Path]:
    """That file of every run of a study that has it, sorted; what is named seed_x is no run.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as study:
      ...     run_folder(Path(study), "dst", 0).mkdir(parents=True)
      ...     (run_folder(Path(study), "dst", 0) / RESULTS).touch()
      ...     [path.relative_to(study).as_posix() for path in find_files(Path(study), RESULTS)]
      ['dst/seed_0/results.json']
    """
    return sorted(path for path in workdir.glob(f"*/{SEED}*/{file}") if path.parts[-2].removeprefix(SEED).isdecimal())
