"""README.md of a model folder: a model card as the Hugging Face hub reads it.

Front matter in YAML, then what the network is, how it was trained, its scores with intervals, limits and use. Sources:
https://huggingface.co/docs/hub/model-cards (format); Mitchell et al. 2019, Model Cards for Model Reporting.
"""

import json
from typing import Any

import numpy as np

from mtl.statistics.bootstrap import clusters, mean_over_tasks, multiplicities, resample
from mtl.statistics.decisions import Decisions, decide
from mtl.statistics.predictions import Predictions
from mtl.statistics.significance import percentiles
from mtl.statistics.tables import markdown
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
    facts = facts_on(data["name"], tasks, num_images)
    name = f"Face attributes: {settings.trained['method']} on {facts.title}, seed {settings.trained['seed']}"
    return f"""---
{_front_matter(name, facts, results["test"])}
---
# {name}

{_network(settings)} Attributes: {", ".join(tasks)}.

```python
import mtl

loaded = mtl.load_model("model")  # this folder: (model, params, buffers, settings)
probabilities = mtl.to_module(loaded)(images)  # uint8 [B, 3, {settings.image_size}, {settings.image_size}] -> [B, {len(tasks)}]
```

## Data

{facts.data} {num_images["train"]:,} images for training, {num_images["valid"]:,} for validation, {num_images["test"]:,} for the test.
{_shown(settings)}

## Training

{_training(settings, described)}

## Scores

On the test split, which was read once. In brackets the {LEVEL:.0%} interval over other test images of a bootstrap that resamples {_drawn(run)}; another seed would add to it.

{_scores(run, decisions)}

The first two columns say "present" where the probability sigmoid(logit) is above 0.5, the third where the calibrated
one is above the threshold below.

## Calibration and thresholds

Temperature T and threshold of each attribute were chosen on the validation split: T by the likelihood of the calibrated
probability sigmoid(logit / T), the threshold on that probability by balanced accuracy. The expected calibration error
(10 bins) is of the test split, in points, before and after.

{_calibration(settings, results["decisions"]["test"]["expected_calibration_error"])}

## Limits and bias

{facts.limits} {facts.use}

## Intended use

Research on learning several tasks at once. {NOT_FOR}
"""


def _front_matter(name: str, facts: Facts, test: dict[str, Any]) -> str:
    scores = {"accuracy": test["overall_accuracy"], "balanced_accuracy": test["balanced_accuracy"]}
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
    tags = ("multi-task-learning", "face-attributes", "pytorch", "safetensors")
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
    many = f"a network for each of {len(settings.tasks)} binary attributes, that share nothing"
    one = f"one network with a head for each of {len(settings.tasks)} binary attributes"
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
        f"accuracy on the validation split. Revision {trained['revision']}, PyTorch {trained['versions']['torch']}; "
        "config.json has the rest."
    )


def _epochs(number: int) -> str:
    return f"{number} epoch{'s' if number > 1 else ''}"


def _drawn(run: Predictions) -> str:
    num_people = len(np.unique(run.identity_N[run.identity_N >= 0]))
    return f"{num_people:,} people with all their images" if num_people else "images, for who they show is not known"


def _scores(run: Predictions, decisions: Decisions) -> str:
    cluster_N = clusters(run.identity_N)
    multiplicity_RC = multiplicities(cluster_N.max() + 1, NUM_RESAMPLES, seed=0)
    before, after = (resample(of, cluster_N, multiplicity_RC) for of in (run, decide(run, decisions)))
    draws = (*before, after.balanced_accuracy_RK)
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
            *(task, f"{settings.temperatures[task]:.2f}", f"{settings.thresholds[task]:.3f}"),
            *(_points(of["tasks"][task]) for of in (before, after)),
        )
        for task in settings.tasks
    ]
    mean = (MEAN, "", "", _points(before["overall"]), _points(after["overall"]))
    return markdown([("attribute", "T", "threshold", "error before", "error after"), *rows, mean])


def _points(value: float | None) -> str:
    return "--" if value is None else f"{100 * value:.1f}"


def _with_interval(scores_R: np.ndarray) -> str:
    """A score in per cent and its interval, where it is defined."""
    if np.isnan(scores_R[0]):
        return "--"
    low, high = percentiles(scores_R[1:][~np.isnan(scores_R[1:])], LEVEL)
    return f"{scores_R[0]:.1%} ({low:.1%} to {high:.1%})".replace("%", "")
