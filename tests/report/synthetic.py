"""A finished study with made-up numbers: every file of the schema, in a moment and without training.

Labels, logits and losses are drawn; all that follows from them (scores, statistics, activation probabilities, gates)
is computed by the package itself, so that it fits together as in a real study.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from PIL import Image

from mtl import dst, metrics
from mtl.gating import DROPPING, single_metric
from mtl.gradients import alignment
from mtl.record.examples import SALIENCY
from mtl.statistics import write_results

TASKS = ("Smiling", "Male", "Black_Hair", "Wearing_Earrings", "5_o_Clock_Shadow")
METHODS = ("joint", "dst", "random_drop")
NUM_RANDOM = 12  # images of examples.npz that are drawn at random


def write_study(
    root: Path,
    methods: Sequence[str] = METHODS,
    num_seeds: int = 2,
    num_epochs: int = 4,
    tasks: Sequence[str] = TASKS,
    num_images: int = 150,
    image_size: int = 24,
    overrides: Mapping[str, Any] = MappingProxyType({}),
    with_results: bool = True,
) -> Path:
    """Writes a study into `root` and returns it.

    Args:
      num_images: of the test split.
      image_size: height and width of the example faces, pixels.
      overrides: path in the configuration -> value, as {"train.optimizer": "sgd"}.
      with_results: of the study; a report computes them anew.
    """
    generator = np.random.default_rng(0)
    shape = (num_images, len(tasks))
    labels = generator.random(shape) < np.linspace(0.15, 0.7, len(tasks))
    signal = (2 * labels - 1) * np.linspace(2.0, 0.8, len(tasks)) + 0.8 * generator.standard_normal(shape)
    common = {
        "labels": labels,
        "mask": np.ones(shape, dtype=bool),
        "ids": np.array([f"{number:06d}.jpg" for number in range(num_images)]),
        "identity": generator.integers(0, num_images // 2, num_images),
        "tasks": np.array(tasks),
        "majority": labels.mean(axis=0) > 0.5,
    }
    config = _config(methods, num_seeds, num_epochs, tasks, image_size, overrides)
    pictures = _pictures(NUM_RANDOM + len(tasks), len(tasks), image_size, generator)
    for method in methods:
        for seed in range(num_seeds):
            folder = root / method / f"seed_{seed}"
            folder.mkdir(parents=True)
            arrays = common | {"logits": 3 * signal + generator.standard_normal(shape)}
            np.savez(folder / "predictions.npz", **arrays)
            np.savez(folder / "examples.npz", **_examples(arrays, pictures, generator))
            _write_run(folder, method, seed, config | {"method": method, "seed": seed}, arrays, generator)
    described = {"config": config, "device": "made up"}
    _write_json(root / "config.json", described | {"versions": {}, "command": "python launch.py", "revision": "0"})
    if with_results:
        write_results(root, with_comparisons=True)
    return root


def _write_run(
    folder: Path,
    method: str,
    seed: int,
    config: dict[str, Any],
    arrays: dict[str, np.ndarray],
    generator: np.random.Generator,
) -> None:
    num_epochs = config["train"]["epochs"]
    tasks = tuple(arrays["tasks"].tolist())
    test = metrics.evaluate(tasks, arrays["logits"], arrays["labels"], arrays["mask"], arrays["majority"])
    described = {"config": config, "tasks": tasks, "versions": {"python": "3.11"}, "device": "made up"}
    _write_json(folder / "config.json", described | {"command": "python launch.py", "revision": "0"})
    results = {"method": method, "seed": seed, "tasks": tasks, "best_epoch": num_epochs, "epochs": num_epochs}
    times = {"train_seconds": 60.0, "images_per_second": 50.0, "device": "made up", "versions": {"python": "3.11"}}
    sizes = {"split_sizes": {"train": 800, "valid": 100, "test": len(arrays["labels"])}}
    _write_json(folder / "results.json", results | times | sizes | {"valid": test, "test": test})
    lines, accounts = [], []
    speed = generator.uniform(0.1, 0.5, len(tasks))
    state = None
    static = dst.Static(
        dict(zip(tasks, np.linspace(18, 9, len(tasks)).round().tolist(), strict=True)),
        dict(zip(tasks, np.linspace(600, 800, len(tasks)).round().tolist(), strict=True)),
        single_metric(method, dst.Weights(0.1, 0.1, 0.3, 0.3, 0.2)),
        beta=0.5,
    )
    for epoch in range(1, num_epochs + 1):
        progress = 1 - np.exp(-speed * epoch)
        values = 0.7 - 0.5 * progress + 0.01 * generator.random(len(tasks))
        losses = dict(zip(tasks, values.tolist(), strict=True))
        gates = dict.fromkeys(tasks, True)
        if method in DROPPING:
            seen = dict.fromkeys(dst.EXTENSIONS, dict.fromkeys(tasks, 0.5) | {tasks[0]: 0.1})
            state, account = dst.update(state, losses, static, {} if state is None else seen)
            P = dict.fromkeys(tasks, dst.mean(account.P)) if method == "random_drop" else account.P
            gates, _ = dst.sample_gates(P, dict(zip(tasks, generator.random(len(tasks)), strict=True)))
            P = dict.fromkeys(tasks, dst.mean(account.P)) if method == "random_drop" else account.P
            line = account.logged() | {"P": P, "G": {task: int(gate) for task, gate in gates.items()}}
            constants = {"depth": static.depth, "count": static.num_samples, "weights": static.weights.logged()}
            accounts.append(line | constants | {"beta": static.beta})
        steps = [
            {"kind": "step", "epoch": epoch, "step": 2 * epoch - rest, "losses": losses, "learning_rate": 1e-3}
            | {"gradient_norm": 1.0}
            for rest in (1, 0)
        ]
        measured_at = {level: _alignment(len(tasks), generator) for level in ("features", "parameters")}
        measured = {
            "losses": losses,
            "gates": {task: int(gate) for task, gate in gates.items()},
            "gradients": {level: alignment.describe(at) for level, at in measured_at.items()},
            "conflicting": {level: alignment.conflicting(at) for level, at in measured_at.items()},
            "valid": _scaled(test, 1 - 0.3 * float(np.exp(-epoch))),
            "seconds": 10.0,
        }
        lines += [*steps, {"kind": "epoch", "epoch": epoch, "step": 2 * epoch} | measured]
    _write_lines(folder / "metrics.jsonl", lines)
    if accounts:
        _write_lines(folder / "dst.jsonl", accounts)


def _alignment(num_tasks: int, generator: np.random.Generator) -> alignment.Alignment:
    """Of a few steps whose gradients have something in common."""
    measured = alignment.zero(num_tasks, torch.device("cpu"))
    for _ in range(4):
        gradients_KN = generator.standard_normal((num_tasks, 20)) + 0.1
        measured = alignment.add(measured, torch.from_numpy(gradients_KN @ gradients_KN.T))
    return measured


def _examples(
    arrays: dict[str, np.ndarray], pictures: dict[str, np.ndarray], generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Positions at random and those of the worst mistakes, with as many of the pictures."""
    logits, labels = arrays["logits"], arrays["labels"]
    wrongness = np.where((logits > 0) != labels, np.abs(logits), -1.0)
    positions = np.concatenate([generator.permutation(len(logits))[:NUM_RANDOM], wrongness.argmax(axis=0)])
    shown = {name: values[: len(positions)] for name, values in pictures.items()}
    return shown | {"positions": positions, "num_random": np.array(min(NUM_RANDOM, len(logits)))}


def _pictures(number: int, num_tasks: int, size: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Random smooth images instead of faces, with a bright spot per task as its saliency: one set for all runs."""
    small = generator.integers(0, 256, (number, 4, 4, 3), dtype=np.uint8)
    images = [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)) for image in small]
    centres = generator.uniform(0.2, 0.8, (number, num_tasks, 2, 1, 1)) * size
    offsets = np.mgrid[:size, :size] - centres
    saliency = np.exp(-(offsets**2).sum(axis=2) / (2 * (size / 8) ** 2))
    return {
        "images": np.stack(images).transpose(0, 3, 1, 2),
        SALIENCY: (255 * saliency).astype(np.uint8),
    }


def _scaled(scores: dict[str, Any], factor: float) -> dict[str, Any]:
    """Scores of an earlier epoch."""
    tasks = {
        task: {name: value * factor if isinstance(value, float) else value for name, value in of_task.items()}
        for task, of_task in scores["tasks"].items()
    }
    overall = {name: scores[name] * factor for name in ("overall_accuracy", "balanced_accuracy", "exact_match")}
    return overall | {"tasks": tasks}


def _config(
    methods: Sequence[str],
    num_seeds: int,
    num_epochs: int,
    tasks: Sequence[str],
    image_size: int,
    overrides: Mapping[str, Any],
) -> dict[str, Any]:
    """The fields of configs/default.py; only what shapes the study is not its value there."""
    from configs.default import get_config

    config = get_config()
    config.study.methods, config.study.seeds = tuple(methods), tuple(range(num_seeds))
    config.data.attributes, config.data.image_size, config.train.epochs = tuple(tasks), image_size, num_epochs
    config.update_from_flattened_dict(overrides)
    return config.to_dict()


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value))


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
