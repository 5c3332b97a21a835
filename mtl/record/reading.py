"""What a study and its runs wrote, read back."""

from pathlib import Path
from typing import Any, NamedTuple

from mtl.errors import UserError
from mtl.record.files import Line, read_json, read_lines
from mtl.record.paths import CONFIG, DST, METRICS, RESULTS, run_folder


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
    config, results = (read_json(workdir / name) for name in (CONFIG, RESULTS))
    runs = {
        method: {seed: read_run(run_folder(workdir, method, seed)) for seed in seeds}
        for method, seeds in results["seeds"].items()
    }
    return StudyRecord(workdir, config, results, runs)


def read_run(folder: Path) -> RunRecord:
    """Reads one run's files."""
    config, results = (read_json(folder / name) for name in (CONFIG, RESULTS))
    return RunRecord(folder, config, results, *read_metrics(folder), read_dst(folder))


def read_metrics(folder: Path) -> tuple[list[Line], list[Line]]:
    """The lines of a run's metrics.jsonl: (of steps, of epochs)."""
    lines = read_lines(folder / METRICS)
    return [line for line in lines if line["kind"] == "step"], [line for line in lines if line["kind"] == "epoch"]


def read_dst(folder: Path) -> list[Line]:
    """The lines of a run's dst.jsonl; none if it dropped nothing, or is not there."""
    path = folder / DST
    return read_lines(path) if path.is_file() else []
