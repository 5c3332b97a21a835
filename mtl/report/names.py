"""Names as they are written for people: of methods, tasks and networks. A name in code that is not here loses its _.

A balancing method's file in mtl/methods begins with its name, a colon and what it is, and then says its source.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any

MAX_LETTERS = 32  # of a task's name, where it is shown
BALANCING = Path(__file__).parents[1] / "methods"
BACKBONES = {"resnet18": "ResNet-18", "vgg16": "VGG-16"}
METHOD_NAMES = {  # without a file of their own
    "dst": "DST",
    "random_drop": "random dropping",
    "permuted_drop": "permuted dropping",
    "static_drop": "static dropping",
    "uniform_drop": "uniform dropping",
    "single_task": "single-task",
    "dst_depth": "DST, depth",
    "dst_count": "DST, count",
    "dst_incompleteness": "DST, incompleteness",
    "dst_stagnancy": "DST, stagnancy",
    "dst_agreement": "DST, agreement (ours)",
    "dst_signal": "DST, signal (ours)",
}
IN_SENTENCES = {"joint": "joint training", "single_task": "single-task networks"}  # where the short name is too short


def network_name(model: dict[str, Any]) -> str:
    """The backbone of a run's `config.model`, and how wide it is if that is not as usual.

    Example:
      >>> network_name({"backbone": "resnet18", "width": 0.5})
      'ResNet-18 of 0.5 times the width'
    """
    name, width = BACKBONES.get(model["backbone"], model["backbone"]), model.get("width", 1.0)  # older runs say none
    return name if width == 1.0 else f"{name} of {width:g} times the width"


@cache
def balancing(method: str) -> tuple[str, str] | None:
    """A balancing method's name and what it is, read from its file without importing it; None if it has no file.

    A word without capitals of its own begins small: Trimmed mean, but not CAGrad.

    Example:
      >>> balancing("mgda"), balancing("trimmed_mean")[0], balancing("my_method")
      (('MGDA', 'the shortest vector in the convex hull of the gradients'), 'trimmed mean', None)
    """
    file = BALANCING / f"{method}.py"
    said = ast.get_docstring(ast.parse(file.read_text())) if file.is_file() else None
    if said is None or "\nSource: " not in said:
        return None
    name, _, described = said.partition("\n")[0].removesuffix(".").partition(": ")
    word = name.partition(" ")[0]
    return (name[0].lower() + name[1:] if word == word.capitalize() else name), described


def method_name(method: str) -> str:
    """As it is written in tables and figures; dst_<method> is DST's gates with another method's weights.

    Example:
      >>> method_name("dst"), method_name("cagrad"), method_name("dst_mgda"), method_name("my_method")
      ('DST', 'CAGrad', 'DST + MGDA', 'my method')
    """
    if name := _known(method):
        return name
    weights = _known(method.removeprefix("dst_"))
    return f"DST + {weights}" if weights else task_name(method)


def _known(method: str) -> str | None:
    found = balancing(method)
    return METHOD_NAMES.get(method) or (found and found[0])


def name_in_sentence(method: str) -> str:
    """As it is written in a sentence.

    Example:
      >>> name_in_sentence("joint"), name_in_sentence("mgda")
      ('joint training', 'MGDA')
    """
    return IN_SENTENCES.get(method, method_name(method))


def task_name(task: str) -> str:
    """An attribute's name with spaces; of a long one the beginning and the end.

    Example:
      >>> task_name("5_o_Clock_Shadow")
      '5 o Clock Shadow'
    """
    name = task.replace("_", " ").strip() or task
    return name if len(name) <= MAX_LETTERS else f"{name[: MAX_LETTERS // 2]}…{name[-MAX_LETTERS // 2 + 1 :]}"
