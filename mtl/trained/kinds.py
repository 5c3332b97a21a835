"""How config.json of a model folder says what a task is."""

import math
from typing import Any

from mtl.kinds import Kind

NUM_MOST = 100_000  # classes of a task


def as_json(task: str, kind: Kind) -> dict[str, Any]:
    """What config.json says of a task.

    Example:
      >>> as_json("Smiling", Kind("binary"))
      {'name': 'Smiling', 'kind': 'binary', 'num_classes': 2}
      >>> as_json("age", Kind("regression", mean=30.0, std=12.5))
      {'name': 'age', 'kind': 'regression', 'mean': 30.0, 'std': 12.5}
    """
    if kind.name == "regression":
        return {"name": task, "kind": kind.name, "mean": kind.mean, "std": kind.std}
    number = len(kind.classes) if kind.name == "classes" else 2
    names = {"classes": list(kind.classes)} if kind.classes else {}
    return {"name": task, "kind": kind.name, "num_classes": number, **names}


def read_kinds(tasks: Any) -> tuple[Kind, ...] | None:
    """The kinds of a list of tasks, None if it is no such list.

    Args:
      tasks: whatever stands in the file.

    Example:
      >>> read_kinds([as_json("Smiling", Kind("binary"))]), read_kinds([{"name": "Smiling"}])
      ((Kind(name='binary', classes=(), mean=0.0, std=1.0),), None)
    """
    if not isinstance(tasks, list) or not tasks:
        return None
    kinds = [_read(task) for task in tasks]
    names = [task["name"] for task in tasks if isinstance(task, dict) and isinstance(task.get("name"), str)]
    if len({*names} - {""}) < len(tasks):
        return None
    found = tuple(kind for kind in kinds if kind is not None)
    return found if [as_json(name, kind) for name, kind in zip(names, found, strict=False)] == tasks else None


def _read(task: Any) -> Kind | None:
    name = task.get("kind") if isinstance(task, dict) else None
    if name == "regression":
        mean, std = task.get("mean"), task.get("std")
        are_numbers = all(type(value) in (int, float) and math.isfinite(value) for value in (mean, std))
        return Kind(name, mean=mean, std=std) if are_numbers and std > 0 else None
    if name not in ("binary", "classes"):
        return None
    classes = task.get("classes", [])
    if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
        return None
    fits = len(classes) in (0, 2) if name == "binary" else 2 <= len(classes) <= NUM_MOST
    return Kind(name, tuple(classes)) if fits and len({*classes}) == len(classes) else None
