"""The library speaks of its own arguments, and the command adds the field that one was read from."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ml_collections import ConfigDict

import mtl.config
from configs.default import get_config
from mtl import errors
from mtl.errors import UserError

ROOT = Path(errors.__file__).parent
NAME_FLAGS = (
    *("config/design.py", "config/dropping.py", "config/fields.py", "config/read.py", "config/rules.py"),
    *("config/together.py", "config/train.py", "command/configurations.py", "command/flags.py", "command/jobs.py"),
    "app/job.py",
)
FLAG = re.compile(r"--\w|\b(?:data|model|train|dst|gradients|methods|study)\.[a-z_]+")
NO_FLAGS = {"dst.sample_gates"}  # a function


def sentences() -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError":
                yield path.relative_to(ROOT), node


def texts(node: ast.AST) -> str:
    """All of the text in an expression, in one."""
    constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return " ".join(value for value in constants if isinstance(value, str))


def test_only_configuration_and_command_name_flags() -> None:
    named = {
        (str(path), flag)
        for path, call in sentences()
        if str(path) not in NAME_FLAGS
        for flag in FLAG.findall(texts(call.args[0]))
        if flag not in NO_FLAGS
    }
    assert named == set()


def test_every_argument_leads_to_a_field() -> None:
    config, found = get_config(), set()
    for path, call in sentences():
        for argument in texts(call.args[1]).split() if len(call.args) > 1 else ():
            found.add(argument)
            error = mtl.config.name_field(UserError("x", argument), config)
            assert re.fullmatch(r"x \(--config\.[\w.]+\)", str(error)), f"{path}: {argument}"
    assert {"image_size", "taps", "weights", "dst.weights", "learning_rate"} <= found


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("weights", "wrong (--config.model.weights)"),
        ("dst.weights", "wrong (--config.dst.weights)"),
        ("constant.weights", "wrong (--config.methods.constant.weights)"),
        ("every", "wrong (--config.gradients.every)"),
        ("mode", "wrong"),
        (None, "wrong"),
    ],
)
def test_the_field_is_named(argument: str | None, sentence: str) -> None:
    assert str(mtl.config.name_field(UserError("wrong", argument), get_config())) == sentence


def test_a_field_is_named_once() -> None:
    error = UserError("model.head is 'x'", "model.head")
    assert mtl.config.name_field(error, get_config()) is error


def of(**fields: object) -> ConfigDict:
    config = get_config()
    config.update_from_flattened_dict({name.replace("__", "."): value for name, value in fields.items()})
    return config


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (of(method="cagrad", methods__cagrad__c=-1.0), "cagrad.c is -1.0; choose a finite number in [0, 1)"),
        (of(method="moco", gradients__level="features"), "this method keeps gradients from step to step"),
        (
            of(method="mgda", gradients__level="parameters", gradients__every=0),
            "gradients.every is 0; choose a whole number in [1, 1000000000]",
        ),
        (of(method="dst", dst__beta=2.0), "dst.beta is 2.0; choose a finite number in [0, 1]"),
        (of(dst__weights__depth=2.0), "dst.weights.depth is 2.0; choose a finite number in [0, 1]"),
        (of(model__head="tree"), "model.head is 'tree', none of the names there are; choose one of linear, mlp"),
    ],
)
def test_what_the_library_refuses_is_refused_as_it_is_read(config: ConfigDict, sentence: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}"):
        mtl.config.read_run(config)


def test_a_mistake_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"^optimizer is 'adam', closest to adamw; choose one of adamw, sgd$"):
        errors.check_choice("optimizer", "adam", ("adamw", "sgd"))
