"""What a study and its runs wrote, read back."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl.errors import UserError


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
    steps: list[dict[str, Any]]
    epochs: list[dict[str, Any]]
    dst: list[dict[str, Any]]


class StudyRecord(NamedTuple):
    """A study's config.json and results.json, and its runs: method -> seed -> run."""

    folder: Path
    config: dict[str, Any]
    results: dict[str, Any]
    runs: dict[str, dict[int, RunRecord]]


def read_study(workdir: Path) -> StudyRecord:
    """Reads all that a finished study wrote.

    Raises:
      UserError: if there is no finished study in `workdir`.
    """
    if not (workdir / "results.json").is_file():
        raise UserError(
            f"{workdir} holds no finished study (no results.json): run --job=study with this --workdir first"
        )
    config, results = (json.loads((workdir / name).read_text()) for name in ("config.json", "results.json"))
    runs = {
        method: {seed: read_run(workdir / method / f"seed_{seed}") for seed in seeds}
        for method, seeds in results["seeds"].items()
    }
    return StudyRecord(workdir, config, results, runs)


def read_run(folder: Path) -> RunRecord:
    """Reads one run's files."""
    metrics = _read_lines(folder / "metrics.jsonl")
    return RunRecord(
        folder,
        json.loads((folder / "config.json").read_text()),
        json.loads((folder / "results.json").read_text()),
        [line for line in metrics if line["kind"] == "step"],
        [line for line in metrics if line["kind"] == "epoch"],
        _read_lines(folder / "dst.jsonl") if (folder / "dst.jsonl").is_file() else [],
    )


def read_arrays(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Reads predictions.npz or examples.npz of a run."""
    with np.load(folder / name) as file:
        return dict(file)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
