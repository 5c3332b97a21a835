"""Whether two runs are the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_same_run(one: Path, other: Path) -> None:
    """Final parameters, logs, predictions, model folder and scores; all but what the clock says."""
    load = lambda folder, name: torch.load(folder / "checkpoint" / name, weights_only=True)["tensors"]  # noqa: E731
    (newest,) = [path.name for path in (one / "checkpoint").glob("step_*")]
    for name in (newest, "best.pt"):
        a, b = load(one, name), load(other, name)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    timeless = lambda line: {key: value for key, value in line.items() if "second" not in key}  # noqa: E731
    for log in ("metrics.jsonl", "dst.jsonl"):
        if (one / log).is_file():
            assert [*map(timeless, read_lines(one / log))] == [*map(timeless, read_lines(other / log))]
    assert np.array_equal(np.load(one / "predictions.npz")["logits"], np.load(other / "predictions.npz")["logits"])
    for path in (one / "model").iterdir():
        assert path.read_bytes() == (other / "model" / path.name).read_bytes(), path.name
    results = [json.loads((folder / "results.json").read_text()) for folder in (one, other)]
    assert timeless(results[0]) == timeless(results[1])
