"""README.md of a model folder: a model card as the Hugging Face hub reads it.

Front matter in YAML, then what the network is, how it was trained, its scores with intervals, limits and use. Sources:
https://huggingface.co/docs/hub/model-cards (format); Mitchell et al. 2019, Model Cards for Model Reporting.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mtl import metrics
from mtl.kinds import Kind, all_binary, num_outputs
from mtl.statistics.bootstrap import clusters, mean_over_tasks, multiplicities, resample, scores_of
from mtl.statistics.decisions import Decisions, decide
from mtl.statistics.markdown import markdown
from mtl.statistics.predictions import Predictions, kinds_of, only
from mtl.statistics.significance import percentiles
from mtl.trained.facts import NOT_FOR, Facts, facts_on
from mtl.trained.settings import Settings

LEVEL, NUM_RESAMPLES = 0.95, 2000
MEAN = "**mean over attributes**"


def write_card(
    settings: Settings, described: dict[str, Any], results: dict[str, Any], decisions: Decisions, run: Predictions
) -> str:
    """The card of a finished run.

    Args:
      settings: of the network.
      described: what the run's config.json holds.
      results: what its results.json holds.
      decisions: from the validation split.
      run: what the network said of the test split.
    """
    data, tasks = described["config"]["data"], settings.tasks
    num_images = results["split_sizes"]
    facts = facts_on(data["name"], only(run, "binary").tasks, num_images)
    what = "Face attributes" if facts.faces else "Tasks"
    name = f"{what}: {settings.trained['method']} on {facts.title}, seed {settings.trained['seed']}"
    return f"""---
{_front_matter(name, facts, results["test"])}
---
# {name}

{_network(settings)} {"Attributes" if all_binary(settings.kinds) else "Tasks"}: {", ".join(map(_task, tasks, settings.kinds))}.

```python
import mtl

loaded = mtl.load_model("model")  # this folder: (model, params, buffers, settings)
probabilities = mtl.to_module(loaded)(images)  # uint8 [B, 3, {settings.image_size}, {settings.image_size}] -> [B, {sum(map(num_outputs, settings.kinds))}]
```

## Data

{facts.data} {num_images["train"]:,} images for training, {num_images["valid"]:,} for validation, {num_images["test"]:,} for the test.
{_shown(settings)}

## Training

{_training(settings, described)}

## Scores

On the test split, which was read once. In brackets the {LEVEL:.0%} interval over other test images of a bootstrap that resamples {_drawn(run)}; another seed would add to it.

{_all_scores(run, decisions)}{_decided(settings, results["decisions"]["test"]["expected_calibration_error"])}

## Limits and bias

{facts.limits} {facts.use}

## Intended use

Research on learning several tasks at once.{f" {NOT_FOR}" if facts.faces else ""}
"""


def _front_matter(name: str, facts: Facts, test: dict[str, Any]) -> str:
    scores = {"accuracy": test["overall_accuracy"], "balanced_accuracy": test["balanced_accuracy"]}
    scores |= {"score": test["overall_score"]} if "overall_score" in test else {}
    metrics = [
        line
        for metric, value in scores.items()
        if value is not None
        for line in (f"    - type: {metric}", f"      value: {value:.4f}")
    ]
    results = (
        *("model-index:", f"- name: {json.dumps(name)}", "  results:", "  - task:", "      type: image-classification"),
        *("    dataset:", f"      name: {json.dumps(facts.title)}", f"      type: {json.dumps(facts.title)}"),
        *("    metrics:", *metrics),
    )
    tags = ("multi-task-learning", *(("face-attributes",) if facts.faces else ()), "pytorch", "safetensors")
    lines = [
        *facts.front,
        "library_name: mtl",
        "pipeline_tag: image-classification",
        *("tags:", *(f"- {tag}" for tag in tags)),
        *(results if metrics else ()),
    ]
    return "\n".join(lines)


def _network(settings: Settings) -> str:
    width = "" if settings.width == 1 else f" with {settings.width:g} times the channels"
    of_what = "binary attributes" if all_binary(settings.kinds) else "tasks"
    many = f"a network for each of {len(settings.tasks)} {of_what}, that share nothing"
    one = f"one network with a head for each of {len(settings.tasks)} {of_what}"
    stages = ", ".join(dict.fromkeys(settings.taps.values()))
    head = "linear" if settings.head == "linear" else f"with {settings.hidden} hidden units"
    what = many if settings.separate else one
    return f"{what[0].upper()}{what[1:]}: {settings.backbone}{width}, read at {stages}; heads are {head}."


def _shown(settings: Settings) -> str:
    crop = "the largest centred square" if settings.crop == "square" else "the whole image, squeezed"
    mirrored = " Logits are the mean of those for the image and its mirror image." if settings.mirrored else ""
    return f"The network sees {crop}, at {settings.image_size} x {settings.image_size} pixels.{mirrored}"


def _training(settings: Settings, described: dict[str, Any]) -> str:
    train, trained = described["config"]["train"], settings.trained
    began = settings.weights or "random weights"
    return (
        f"Method `{trained['method']}`, seed {trained['seed']}, from {began}: {_epochs(trained['epochs'])} in batches of "
        f"{train['batch_size']} with {train['optimizer']} (learning rate {train['learning_rate']:g}, {train['schedule']}, "
        f"weight decay {train['weight_decay']:g}). Kept are the parameters of epoch {trained['best_epoch']}, the best by "
        f"{metrics.main_score(settings.kinds)} on the validation split. Revision {trained['revision']}, PyTorch {trained['versions']['torch']}; "
        "config.json has the rest."
    )


def _epochs(number: int) -> str:
    return f"{number} epoch{'s' if number > 1 else ''}"


def _drawn(run: Predictions) -> str:
    num_people = len(np.unique(run.identity_N[run.identity_N >= 0]))
    return f"{num_people:,} people with all their images" if num_people else "images, for who they show is not known"


def _task(task: str, kind: Kind) -> str:
    if kind.name == "classes":
        return f"{task} ({', '.join(kind.classes)})"
    return f"{task} (a number)" if kind.name == "regression" else task


def _decided(settings: Settings, errors: dict[str, Any]) -> str:
    """The section on temperatures and thresholds; none where no task has a probability."""
    if not settings.temperatures:
        return ""
    chosen = "attribute" if all_binary(settings.kinds) else "task that has them"
    of_classes = ", of classes softmax(logits / T)" if len(settings.temperatures) > len(settings.thresholds) else ""
    return f"""

## Calibration and thresholds

Temperature T and threshold of each {chosen} were chosen on the validation split: T by the likelihood of the calibrated
probability sigmoid(logit / T){of_classes}, the threshold on that probability by balanced accuracy. The expected calibration error
(10 bins) is of the test split, in points, before and after.

{_calibration(settings, errors)}"""


def _all_scores(run: Predictions, decisions: Decisions) -> str:
    """The binary tasks as ever, and a table for the tasks of each other kind."""
    binary, parts = only(run, "binary"), []
    if binary.tasks:
        is_binary_K = [kind.name == "binary" for kind in kinds_of(run)]
        of_binary = Decisions(*(values_K[is_binary_K] for values_K in decisions))
        parts += [
            _scores(binary, of_binary),
            'The first two columns say "present" where the probability sigmoid(logit) is above 0.5, the third where the '
            "calibrated\none is above the threshold below.",
        ]
    if only(run, "classes").tasks:
        heads = {"accuracy": "accuracy, %", "balanced_accuracy": "balanced accuracy, %", "macro_f1": "macro F1, %"}
        parts.append(_other_scores(only(run, "classes"), heads))
    if only(run, "regression").tasks:
        heads = {"mae": "mean absolute error", "rmse": "root mean squared error", "r2": "R²", metrics.SCORE: "score"}
        parts += [
            _other_scores(only(run, "regression"), heads),
            f"Errors are in the table's unit. {metrics.MEANING}",
        ]
    return "\n\n".join(parts)


def _other_scores(run: Predictions, heads: Mapping[str, str]) -> str:
    """A table with a column for each score, by its heading."""
    cluster_N = clusters(run.identity_N)
    draws = scores_of(resample(run, cluster_N, multiplicities(cluster_N.max() + 1, NUM_RESAMPLES, seed=0)))
    rows = [
        (
            *(task, str(int(run.mask_NK[:, k].sum()))),
            *(_with_interval(draws[name][:, k], as_share="%" in head) for name, head in heads.items()),
        )
        for k, task in enumerate(run.tasks)
    ]
    return markdown([("task", "labels", *heads.values()), *rows])


def _scores(run: Predictions, decisions: Decisions) -> str:
    cluster_N = clusters(run.identity_N)
    multiplicity_RC = multiplicities(cluster_N.max() + 1, NUM_RESAMPLES, seed=0)
    before, after = (resample(of, cluster_N, multiplicity_RC) for of in (run, decide(run, decisions)))
    draws = (before.accuracy_RK, before.balanced_accuracy_RK, after.balanced_accuracy_RK)
    names = [*run.tasks, MEAN]
    columns = [[*scores_RK.T, mean_over_tasks(scores_RK)] for scores_RK in draws]
    counts = [*run.mask_NK.sum(axis=0).tolist(), ""]
    positives = [*(run.labels_NK & run.mask_NK).sum(axis=0).tolist(), ""]
    rows = [
        (name, f"{there} of {count}" if count else "", *map(_with_interval, scores))
        for name, there, count, *scores in zip(names, positives, counts, *columns, strict=True)
    ]
    return markdown([("attribute", "present", "accuracy, %", "balanced accuracy, %", "at the threshold, %"), *rows])


def _calibration(settings: Settings, errors: dict[str, Any]) -> str:
    before, after = errors["before"], errors["after"]
    rows = [
        (
            *(task, f"{settings.temperatures[task]:.2f}"),
            f"{settings.thresholds[task]:.3f}" if task in settings.thresholds else "",
            *(_points(of["tasks"][task]) for of in (before, after)),
        )
        for task in settings.temperatures
    ]
    mean = (MEAN, "", "", _points(before["overall"]), _points(after["overall"]))
    return markdown([("attribute", "T", "threshold", "error before", "error after"), *rows, mean])


def _points(value: float | None) -> str:
    return "--" if value is None else f"{100 * value:.1f}"


def _with_interval(scores_R: np.ndarray, as_share: bool = True) -> str:
    """A score, in per cent if it is a share, and its interval, where it is defined."""
    if np.isnan(scores_R[0]):
        return "--"
    low, high = percentiles(scores_R[1:][~np.isnan(scores_R[1:])], LEVEL)
    if not as_share:
        return f"{scores_R[0]:.4g} ({low:.4g} to {high:.4g})"
    return f"{scores_R[0]:.1%} ({low:.1%} to {high:.1%})".replace("%", "")
