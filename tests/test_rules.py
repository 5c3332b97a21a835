"""Every field of the configuration against values that people, scripts and cats on keyboards give it."""

import builtins
import io
import itertools
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ml_collections import ConfigDict
from ml_collections.config_dict import required_placeholder

from configs import ablation, celeba, celeba_40, celeba_methods, celeba_study, demo, fast, fast_ablation, pretrained
from configs.default import get_config
from mtl.config import RULES, check_value, check_values, read_bench, read_run, read_study, single_run
from mtl.errors import UserError
from mtl.methods import default_options
from mtl.record import tensorboard

OPTIONS = [(method, name) for method, options in default_options().items() for name in options]
# No field takes any of these.
WRONG = (
    *(math.nan, math.inf, -math.inf, 10**400, -(10**400), 10**5000, 1e300, -2, -0.5, True + 1j, np.array([1.0, 2.0])),
    *(None, b"x", object(), 1j, torch.zeros(2), Path, {1: 2}, {"": {}}, {"a\nb": 1}, (None,), ((1, 2),), (math.nan,)),
    *("a\0b", "a\nb", "\x1b[31m", "\udcff", "x" * 100_000, ("a\0",), (b"a",), ({},), [["a"]], (10**5000,)),
    frozenset("a"),
)
# Some take these, and then all of the rest still holds.
STRANGE = (
    *(-1, 0, 1, 2, 0.0, 0.5, 1.0, 1e-320, 3e38, 10**9, 2**53, 2**63, True, False),
    *(Fraction(1, 2), np.float32(0.5), np.int64(3)),
    *("", " ", "x", "auto", "joint", "../x", "/", "~nobody_of_that_name/x", "$#panic()$", "<b>*_", "a=b", "all", "nan"),
    *((), ("a",), ("a", "a"), ("a,b", ""), (0,), (1.0, 1.0), ("a=1",), ("Male=nan",), ("40=6",), ("8=999999999999",)),
    *({}, {"x": 1}, {"x": {}}, {"a/b": {}}, {"joint": {}}, {"x": {"seed": 1}}, {"x": {"data": 1}}, {"x": "dst"}),
)


@contextmanager
def holding(config: ConfigDict, field: str, value: Any) -> Iterator[None]:
    """The configuration with that value, whatever its type: the field is made anew."""
    *sections, name = field.split(".")
    for section in sections:
        config = config[section]
    before = config[name]
    try:
        del config[name]
        config[name] = value
        yield
    finally:
        del config[name]
        config[name] = before


def read(config: ConfigDict, field: str) -> None:
    if field.startswith("study."):
        read_study(config)
    elif field.startswith("bench."):
        read_bench(config, get_config())
    else:
        read_run(single_run(config))


def refusal(config: ConfigDict, field: str, value: Any) -> str | None:
    """What is said of a value, by its field's rule or, if that lets it pass, by whoever reads the configuration."""
    try:
        check_value(field, value)
        with holding(config, field, value):
            read(config, field)
    except UserError as error:
        return str(error)
    return None


def is_a_sentence(said: str, field: str) -> bool:
    return "\n" not in said and len(said) < 6000 and any(part in said for part in field.split(".")[-2:])


@pytest.fixture
def nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError(f"something is opened or made: {arguments}")

    for name in ("open", "mkdir", "listdir", "scandir"):
        monkeypatch.setattr(os, name, refuse)
    for module in (builtins, io):
        monkeypatch.setattr(module, "open", refuse)
    monkeypatch.setattr(tensorboard, "check_installed", lambda: None)  # it looks among the packages


@pytest.mark.usefixtures("nothing_is_opened")
@pytest.mark.parametrize("values", [WRONG, STRANGE], ids=["wrong", "strange"])
def test_every_field_takes_a_value_or_says_why_not(values: tuple[Any, ...]) -> None:
    config = get_config()
    config.study.methods = ("joint",)  # one run is read in no time
    for field, value in itertools.product(RULES, values):
        said = refusal(config, field, value)
        assert said is not None or values is STRANGE, f"{field} takes {value!r:.60}"
        assert said is None or is_a_sentence(said, field), (field, said)
    read_run(config)  # which is as it was


@pytest.mark.parametrize(("method", "option"), OPTIONS, ids=map(".".join, OPTIONS))
def test_every_option_takes_a_value_or_says_why_not(method: str, option: str) -> None:
    """What passes here meets its number of tasks later, see tests/methods/test_options.py."""
    for values, value in [*((WRONG, value) for value in WRONG), *((STRANGE, value) for value in STRANGE)]:
        try:
            check_value("methods", {method: default_options()[method] | {option: value}})
            assert values is STRANGE, f"{method}.{option} takes {value!r:.60}"
        except UserError as error:
            assert is_a_sentence(str(error), f"{method}.{option}"), (value, str(error))


def test_every_field_has_a_rule_and_every_rule_a_field() -> None:
    config = get_config()
    check_values(config)
    config.train.new_field = 1
    with pytest.raises(UserError, match=r"^train\.new_field is no field, .*; choose one of train\.epochs, train"):
        check_values(config)
    config = get_config()
    del config.train["epochs"]
    with pytest.raises(UserError, match=r"^the configuration lacks train\.epochs: let it begin with get_config of "):
        check_values(config)


@pytest.mark.parametrize(
    "module",
    [ablation, celeba, celeba_40, celeba_methods, celeba_study, demo, fast, fast_ablation, pretrained],
    ids=lambda module: module.__name__,
)
def test_configurations_that_come_with_mtl_pass(module: Any) -> None:
    config = module.get_config()
    config.data.root = "somewhere"
    read_study(config)
    read_run(single_run(config))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"data.max_shift": 40}, "data.max_shift is 40 and data.image_size 40, so nothing"),
        ({"data.attributes": ()}, "data.attributes is empty; name at least one, or all"),
        ({"data.attributes": ("Male,Male",)}, "attributes has Male 2 times: name it once"),
        ({"data.attributes": "Male"}, "data.attributes is 'Male'; give a sequence, as in ('a', 'b')"),
        ({"data.attributes": ("Male", 5)}, "data.attributes[1] is 5; give one name, as text"),
        ({"model.head": ("mlp",)}, "model.head is ('mlp',); give one name, as text"),
        ({"model.taps": ("Hat=layer2",)}, "taps names 'Hat', which is none of the tasks"),
        ({"data.label_fractions": ("Hat=0.5",)}, "label_fractions names 'Hat', which is none of the tasks"),
        ({"train.epochs": 10**12}, "train.epochs is 1000000000000; choose a whole number in [1, 100000]"),
        ({"train.device": "meta"}, "train.device is 'meta'; give auto, or a device that computes"),
        ({"train.learning_rate": math.nan}, "train.learning_rate is nan; choose a finite number in (0, inf)"),
        ({"method": "krum", "methods.krum.num_selected": 9}, "krum.num_selected is 9; choose a whole number in [1, 8]"),
        ({"method": "go4align", "methods.go4align.num_groups": 9}, "go4align.num_groups is 9; choose a whole"),
        ({"methods.cagrad.c": 1e30}, "cagrad.c is 1e+30; choose a finite number in [0, 1)"),
        ({"methods.cagrad": {"c": 0.1, "cc": 0}}, "cagrad.cc is no option of cagrad, closest to c"),
        ({"methods": {"cagard": {}}}, "a name in methods is 'cagard', closest to cagrad"),
        ({"data.cache": ""}, "data.cache is empty; give a folder"),
        ({"data.root": "~nobody_of_that_name"}, "data.root is '~nobody_of_that_name', in the home folder of a user"),
        ({"data.name": required_placeholder(str)}, "a field that the configuration leaves open has no value"),
        ({"train.momentum": np.float32(0.5)}, "train.momentum is np.float32(0.5), which config.json cannot hold"),
        ({"model": 3}, "model is no field"),
        ({"variant": "lambda_b_0"}, "variant is 'lambda_b_0', which is not in study.variants (none)"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else "",
)
def test_sentences(fields: dict[str, Any], sentence: str) -> None:
    config = get_config()
    with ExitStack() as stack, pytest.raises(UserError) as raised:
        for field, value in fields.items():
            stack.enter_context(holding(config, field, value))
        read_run(single_run(config))
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a/b", "begin with a letter or digit"),
        ("/abs", "begin with a letter or digit"),
        ("_", "begin with a letter or digit"),
        ("$#panic()$", "begin with a letter or digit"),
        ("a" * 300, "begin with a letter or digit"),
        ("figures", "that is the folder of the study's figures"),
        ("joint", "which is the name of a method"),
    ],
)
def test_names_that_no_variant_may_have(name: str, sentence: str) -> None:
    config = get_config()
    config.study.variants = {name: {"method": "dst"}}
    config.study.methods = (name,)
    with pytest.raises(UserError, match=f"^a name in study.variants is .*{sentence}"):
        read_study(config)
    config.study.variants = {}
    config.variant = name
    with pytest.raises(UserError, match=f"^variant is .*{sentence}"):
        read_run(config)


def test_a_study_of_methods_is_not_filed_under_a_variant() -> None:
    config = get_config()
    config.study.variants = {"slow": {"train": {"learning_rate": 1e-4}}}
    config.variant = "slow"
    config.study.methods, config.study.seeds = ("joint", "slow", "dst"), (0, 0)
    assert [(run.name, run.method, run.train.learning_rate) for run in read_study(config).runs] == [
        ("joint", "joint", 1e-3),
        ("slow", "joint", 1e-4),
        ("dst", "dst", 1e-3),
    ]


def test_a_variant_trains_what_it_names_and_not_the_configuration_s_method() -> None:
    config = ablation.get_config()
    config.data.root, config.variant = "somewhere", "lambda_b_0"
    run = read_run(single_run(config))
    assert (run.name, run.method, run.dropping.scheme, run.dropping.weights.b) == ("lambda_b_0", "dst", "dst", 0.0)
