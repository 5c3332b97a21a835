"""Every public function says by an example what it does, and the examples run (`pytest mtl`, which is in `make test`).

Read from the source; nothing is imported here. What a NamedTuple or a Protocol holds is said by its fields.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Why an example would be longer than what it explains -> modules, or folders.
WITHOUT = {
    "reads files that others wrote, or writes some": (
        "mtl/data/celeba.py",
        "mtl/data/celeba_statistics.py",
        "mtl/data/decoding.py",
        "mtl/data/image_files.py",
        "mtl/data/lists.py",
        "mtl/data/load.py",
        "mtl/data/pack.py",
        "mtl/data/zips.py",
        *(
            f"mtl/data/tables/{name}.py"
            for name in ("drawn", "fairface", "images", "mtfl", "omniglot", "read", "sources")
        ),
        *(f"mtl/data/tables/{name}.py" for name in ("text", "utkface")),
        "mtl/models/weights.py",
        "mtl/data/parquet/",
        "mtl/photos/crops.py",
        "mtl/photos/faces.py",
        "mtl/photos/networks.py",
        "mtl/photos/reading.py",
        "mtl/record/examples.py",
        "mtl/record/reading.py",
        "mtl/record/runs.py",
        "mtl/record/tensorboard.py",
        "mtl/record/traces.py",
        "mtl/statistics/predictions.py",
        "mtl/statistics/results.py",
        "mtl/training/checkpoint.py",
        "mtl/training/identity.py",
        "mtl/trained/folder.py",
        "mtl/trained/settings.py",
        "mtl/training/logs.py",
        "mtl/training/starting.py",
    ),
    "starts, locks or asks about processes": (
        "mtl/launchers/",
        "mtl/processes/children.py",
        "mtl/record/locks.py",
        "mtl/training/distributed.py",
        "mtl/training/provenance.py",
    ),
    "is the command, or reads a whole configuration": (
        "mtl/cli.py",
        "mtl/command/",
        "mtl/config/",
        "mtl/training/settings.py",
    ),
    "is about a network that a whole run trained": (
        "mtl/export/as_onnx.py",
        "mtl/export/as_pt2.py",
        "mtl/export/as_safetensors.py",
        "mtl/export/graph.py",
        "mtl/export/job.py",
        "mtl/export/metadata.py",
        "mtl/predict/answers.py",
        "mtl/predict/job.py",
        "mtl/predict/page.py",
        "mtl/trained/card.py",
        "mtl/trained/module.py",
        "mtl/trained/network.py",
    ),
    "answers a browser": ("mtl/app/",),
    "draws, or writes, of a whole study": ("mtl/data/faces/", "mtl/report/", "mtl/statistics/tables.py"),
    "trains, or measures, a whole run": (
        "mtl/bench/",
        "mtl/study.py",
        "mtl/training/epoch.py",
        "mtl/training/evaluation.py",
        "mtl/training/examples.py",
        "mtl/training/fine_tuning.py",
        "mtl/training/finite.py",
        "mtl/training/leaving.py",
        "mtl/training/loop.py",
        "mtl/training/networks.py",
        "mtl/training/precision.py",
        "mtl/training/resuming.py",
        "mtl/training/run.py",
        "mtl/training/sourcing.py",
    ),
    "is a part of the step that make_train_step puts together": (
        "mtl/gradients/sources.py",
        "mtl/training/observing.py",
        "mtl/training/sums.py",
    ),
}
MODULES = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "mtl").rglob("*.py"))]


def lacking(source: str) -> list[str]:
    """The public functions and methods without an example; `forward` is its class's example."""
    found = []
    for node in ast.parse(source).body:
        of_class = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else []
        for each in (node, *of_class):
            is_public = isinstance(each, ast.FunctionDef) and not each.name.startswith("_") and each.name != "forward"
            if isinstance(each, ast.FunctionDef) and is_public and ">>> " not in (ast.get_docstring(each) or ""):
                found.append(each.name)
    return found


def exempted_by(module: str) -> list[str]:
    places = [place for listed in WITHOUT.values() for place in listed]
    return [place for place in places if module == place or (place[-1] == "/" and module.startswith(place))]


@pytest.mark.parametrize("module", [module for module in MODULES if not exempted_by(module)])
def test_every_public_function_has_an_example(module: str) -> None:
    assert lacking((ROOT / module).read_text()) == []


def test_no_exemption_is_left_over() -> None:
    needed = {place for module in MODULES if lacking((ROOT / module).read_text()) for place in exempted_by(module)}
    assert {place for listed in WITHOUT.values() for place in listed} - needed == set()


def test_what_this_file_looks_for_is_found() -> None:
    source = 'def f():\n    """No."""\ndef g():\n    """Yes.\n\n    >>> g()\n    """\ndef _h(): ...\n'
    source += "class A:\n    def forward(self): ...\n    def b(self): ...\nclass _B:\n    def c(self): ...\n"
    assert lacking(source) == ["f", "b"]
