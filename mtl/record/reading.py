"""What a study and its runs wrote, read back."""

from pathlib import Path
from typing import Any, NamedTuple

from mtl.errors import UserError
from mtl.record.files import NUMBER, Fields, Line, read_json, read_lines
from mtl.record.paths import CONFIG, DST, METRICS, RESULTS, run_folder

OF_CONFIG = {"config.method": str, "config.seed": int, "config.data": dict, "config.model": dict, "config.train": dict}
OF_RESULTS: Fields = {
    **{"method": str, "seed": int, "tasks": list, "split_sizes": dict, "epochs": int, "best_epoch": int},
    **{"train_seconds": NUMBER, "images_per_second": NUMBER, "valid": dict},
    "test.tasks": dict,
}
OF_METRICS = {"kind": str, "epoch": int, "step": int, "losses": dict}
OF_DST = {"epoch": int, "V": dict, "P": dict, "G": dict}
OF_STUDY = {CONFIG: {"config.study": dict}, RESULTS: {"methods": dict, "seeds": dict}}


class RunRecord(NamedTuple):
    """One run's files.

    Attributes:
      folder: of the run.
      config, results: what config.json and results.json hold.
      steps, epochs: the lines of metrics.jsonl by kind.
      dst: the lines of dst.jsonl; none for a method that drops nothing.
    """

    folder: Path
    config: dict[str, Any]
    results: dict[str, Any]
    steps: list[Line]
    epochs: list[Line]
    dst: list[Line]


class StudyRecord(NamedTuple):
    """A study's config.json and results.json, and its runs: method -> seed -> run."""

    folder: Path
    config: dict[str, Any]
    results: dict[str, Any]
    runs: dict[str, dict[int, RunRecord]]


def read_study(workdir: Path) -> StudyRecord:
    """Reads all that a finished study wrote.

    Raises:
      UserError: if there is no finished study in `workdir`, or a file of it is damaged.
    """
    if not (workdir / RESULTS).is_file():
        raise UserError(f"{workdir} holds no finished study (no {RESULTS}): run the job study with this workdir first")
    config, results = (read_of_study(workdir, name) for name in (CONFIG, RESULTS))
    runs = {
        method: {seed: read_run(run_folder(workdir, method, seed)) for seed in seeds}
        for method, seeds in results["seeds"].items()
    }
    return StudyRecord(workdir, config, results, runs)


def read_of_study(workdir: Path, name: str) -> dict[str, Any]:
    """config.json or results.json of a study.

    Raises:
      UserError: if it is not there or damaged.
    """
    path = workdir / name
    return read_json(path, OF_STUDY[name], "delete it, and give the command of the job study again, which writes it")


def read_run(folder: Path) -> RunRecord:
    """Reads one run's files."""
    return RunRecord(folder, read_config(folder), read_results(folder), *read_metrics(folder), read_dst(folder))


def read_config(folder: Path) -> dict[str, Any]:
    """A run's config.json.

    Raises:
      UserError: if it is not there or damaged.
    """
    return read_json(folder / CONFIG, OF_CONFIG)


def read_results(folder: Path) -> dict[str, Any]:
    """A finished run's results.json.

    Raises:
      UserError: if it is not there or damaged.
    """
    again = "delete it, and give the command of the run or of its study again: its checkpoint has what it is made of"
    return read_json(folder / RESULTS, OF_RESULTS, again)


def read_metrics(folder: Path) -> tuple[list[Line], list[Line]]:
    """The lines of a run's metrics.jsonl: (of steps, of epochs)."""
    lines = read_lines(folder / METRICS, OF_METRICS)
    return [line for line in lines if line["kind"] == "step"], [line for line in lines if line["kind"] == "epoch"]


def read_dst(folder: Path) -> list[Line]:
    """The lines of a run's dst.jsonl; none if it dropped nothing, or is not there."""
    path = folder / DST
    return read_lines(path, OF_DST) if path.exists() else []
