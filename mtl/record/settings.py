"""The settings of a run, flat, so that two runs' can be compared field by field."""

from collections.abc import Sequence
from typing import Any

from mtl.record.files import as_json

Settings = dict[str, Any]  # "section.field" -> JSON value
# Fields that change nothing of a run's numbers: a run may go on with others than it began with.
WITHOUT_EFFECT = (
    *("study", "bench", "data.root", "data.cache", "data.num_workers"),  # what lies under root has a fingerprint
    *("train.device", "train.log_every", "train.checkpoint_seconds", "train.tensorboard"),
    *("train.on_nonfinite", "train.max_skips"),
)

# Fields that runs begun before they existed do not have: what was in effect then.
BEFORE = {
    "data.fold": "",
    "data.group_column": "",
    "data.image_column": "",
    "data.split_column": "",
    "data.split_seed": 0,
    "data.table": "",
    "data.tasks": [],
    "dst.gates_seed": -1,
    "dst.keep_last": 0,
    "dst.repeats": "dst",
    "methods.aligned_mtl.scale": "min",
    "methods.cagrad.scale": "paper",
    "methods.fairgrad.scale": "paper",
    "methods.famo.compared_with": "next_batch",
    "methods.loss_balanced.scale": "paper",
    "methods.mgda.heads": "own",
    "methods.mgda.normalizer": "none",
    "methods.nash_mtl.heads": "own",
    "methods.sdmgrad.scale": "paper",
    "methods.smooth_tchebycheff.warmup_epochs": 0,
    "model.head_init": "random",
    "model.reuse_heads": True,
    "model.width": 1.0,
    "train.class_weights": "none",
    "train.freeze": [],
    "train.huber_delta": 1.0,
    "train.label_smoothing": 0.0,
    "train.learning_rates": [],
    "train.mirrored": False,
    "train.regression_loss": "squared",
    "train.sizes": [],
    "train.sync_batchnorm": False,
}

LAMBDAS = "dst.weights."  # of metrics


def effective(config: dict[str, Any]) -> Settings:
    """Flattens a configuration, without what has no effect on a run: other methods' options, too.

    Example:
      >>> effective({"method": "a", "methods": {"a": {"c": 1}, "b": {"c": 2}}, "train": {"log_every": 5, "epochs": 3}})
      {'method': 'a', 'methods.a.c': 1, 'train.epochs': 3}
    """
    own = config | {"methods": {name: of for name, of in config.get("methods", {}).items() if name == config["method"]}}
    return {name: as_json(value) for name, value in _flatten("", own).items() if not name.startswith(WITHOUT_EFFECT)}


def changed_fields(before: Settings, now: Settings) -> list[str]:
    """The fields in which two runs' settings differ, sorted; one that an older run lacks has the value of then.

    Example:
      >>> changed_fields({"seed": 0, "train.epochs": 3}, {"seed": 0, "train.epochs": 5, "train.mirrored": False})
      ['train.epochs']
    """
    before, now = BEFORE | before, BEFORE | now
    return sorted(name for name in before.keys() | now.keys() if _value(before, name) != _value(now, name))


def _value(settings: Settings, name: str) -> Any:
    return settings.get(name, 0.0 if name.startswith(LAMBDAS) else None)  # what did not exist did not count


def in_words(before: Settings, now: Settings, changed: Sequence[str]) -> str:
    """The fields that differ, each with what it was and what it is.

    Example:
      >>> in_words({"seed": 0, "method": "dst"}, {"seed": 1, "method": "joint"}, ["method", "seed"])
      "method = 'dst', not 'joint'; seed = 0, not 1"
    """
    before, now = BEFORE | before, BEFORE | now
    return "; ".join(f"{name} = {before.get(name)!r}, not {now.get(name)!r}" for name in changed)


def why_not_longer(before: Settings, now: Settings, changed: Sequence[str]) -> str:
    """Why a run that began with some settings cannot go on with these, as a request; "" if they only add epochs to it.

    A constant rate does not depend on how many epochs there will be; all others of a run's numbers do not either.

    Example:
      >>> before = {"train.schedule": "constant", "train.epochs": 3}
      >>> why_not_longer(before, before | {"train.epochs": 5}, ["train.epochs"])
      ''
      >>> why_not_longer(before, before | {"train.epochs": 2}, ["train.epochs"])
      'it has been trained for longer: choose another workdir, or delete that folder'
    """
    elsewhere = "choose another workdir, or delete that folder"
    if not {*changed} <= {"train.epochs", "train.sizes"} or before.get("train.sizes") or now.get("train.sizes"):
        return elsewhere
    if now["train.epochs"] < before["train.epochs"]:
        return f"it has been trained for longer: {elsewhere}"
    if now.get("train.schedule") != "constant":
        return (
            f"the rates of the schedule {now.get('train.schedule')} depend on how many epochs there are, and only with "
            f"constant may more be added: {elsewhere}"
        )
    if now.get("dst.keep_last", 0):
        return f"which epochs are the last, in which no task is dropped, depends on how many there are: {elsewhere}"
    return ""


def _flatten(prefix: str, value: Any) -> Settings:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: Settings = {}
    for key, inner in value.items():
        flat |= _flatten(f"{prefix}.{key}" if prefix else key, inner)
    return flat
