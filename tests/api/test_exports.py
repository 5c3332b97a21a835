"""What `import mtl` gives, and what it leaves alone until it is asked for."""

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import mtl


def test_every_name_is_there_and_listed() -> None:
    for name in mtl.__all__:
        assert getattr(mtl, name) is not None
        assert name in dir(mtl)
    assert mtl.__version__ == version("mtl")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = mtl.nonsense


def test_types_are_told_for_every_name() -> None:
    """What a type checker is told, and what is imported at run time, are the same names from the same modules."""
    tree = ast.parse(Path(mtl.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == mtl._MODULES | {name: f"{module}.{name}" for name, module in mtl._PLACES.items()}


def test_torch_is_not_imported_until_a_name_needs_it() -> None:
    code = "import sys, mtl; dir(mtl), mtl.__version__, mtl.UserError; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
