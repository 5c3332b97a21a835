"""What a field may hold: rules, each of which refuses in one sentence what it does not allow.

A rule is called with a field's name and its value. Ranges are intervals as text, see `mtl.methods.shared.options`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mtl.errors import UserError, check_choice, shown
from mtl.methods.shared.options import check_count, check_number
from mtl.record.paths import why_no_name

Rule = Callable[[str, Any], object]
MAX_LETTERS = 4096  # of a text; as many as Linux allows a path


def number(interval: str) -> Rule:
    """A finite number.

    Example:
      >>> number("[0, 1]")("dst.beta", float("nan"))
      Traceback (most recent call last):
      mtl.errors.UserError: dst.beta is nan; choose a finite number in [0, 1]
    """
    return partial(check_number, interval=interval)


def whole(interval: str) -> Rule:
    """A whole number.

    Example:
      >>> whole("[1, 99]")("train.epochs", 2.0)
      Traceback (most recent call last):
      mtl.errors.UserError: train.epochs is 2.0; choose a whole number in [1, 99]
    """
    return partial(check_count, interval=interval)


def choice(*choices: str) -> Rule:
    """One of some names.

    Example:
      >>> choice("linear", "mlp")("model.head", "mpl")
      Traceback (most recent call last):
      mtl.errors.UserError: model.head is 'mpl', closest to mlp; choose one of linear, mlp
    """

    def check(field: str, value: Any) -> None:
        text(field, value)
        check_choice(field, value, choices)

    return check


def yes_or_no(field: str, value: Any) -> None:
    """True or False, and no number.

    Example:
      >>> yes_or_no("data.flip", 1)
      Traceback (most recent call last):
      mtl.errors.UserError: data.flip is 1; choose True or False
    """
    if not isinstance(value, bool):
        raise UserError(f"{field} is {shown(value)}; choose True or False", field)


def text(field: str, value: Any) -> None:
    """A text that can be printed, written and used as a name; "" too.

    Example:
      >>> text("model.backbone", ("resnet18",))
      Traceback (most recent call last):
      mtl.errors.UserError: model.backbone is ('resnet18',); give one name, as text
    """
    if not isinstance(value, str):
        raise UserError(f"{field} is {shown(value)}; give one name, as text", field)
    if len(value) > MAX_LETTERS:
        raise UserError(f"{field} has {len(value)} letters; give at most {MAX_LETTERS}", field)
    if not value.isprintable():  # line ends and other controls, and what stands for bytes that are no UTF-8
        raise UserError(f"{field} is {shown(value)}, with a character that cannot be printed; leave it out", field)


def path(field: str, value: Any) -> None:
    """A file or a folder, there or not.

    Example:
      >>> path("data.cache", "~nobody_of_that_name/cache")
      Traceback (most recent call last):
      mtl.errors.UserError: data.cache is '~nobody_of_that_name/cache', in the home folder of a user that there is not
    """
    text(field, value)
    try:
        Path(value).expanduser()
    except RuntimeError as error:
        raise UserError(f"{field} is {value!r}, in the home folder of a user that there is not", field) from error


def folder(field: str, value: Any) -> None:
    """A path that is not empty, which would be the folder that the command is called in.

    Example:
      >>> folder("data.cache", "")
      Traceback (most recent call last):
      mtl.errors.UserError: data.cache is empty; give a folder
    """
    path(field, value)
    if not value:
        raise UserError(f"{field} is empty; give a folder", field)


def many(of_one: Rule, example: str) -> Rule:
    """A sequence in which each is what a rule allows.

    Example:
      >>> many(text, "('Male', 'Young')")("data.attributes", "Male")
      Traceback (most recent call last):
      mtl.errors.UserError: data.attributes is 'Male'; give a sequence, as in ('Male', 'Young')
    """

    def check(field: str, values: Any) -> None:
        if not isinstance(values, tuple | list):
            raise UserError(f"{field} is {shown(values)}; give a sequence, as in {example}", field)
        for place, value in enumerate(values):
            try:
                of_one(f"{field}[{place}]", value)
            except UserError as error:
                raise UserError(f"{error}", field) from error

    return check


def table(of_name: Rule, of_value: Rule) -> Rule:
    """A table from names to values.

    Example:
      >>> table(text, number("[0, inf)"))("study.ray.resources", {"fast_disk": -1})
      Traceback (most recent call last):
      mtl.errors.UserError: study.ray.resources['fast_disk'] is -1; choose a finite number in [0, inf)
    """

    def check(field: str, values: Any) -> None:
        if not isinstance(values, Mapping):
            raise UserError(f"{field} is {shown(values)}; give a table of names, as in {{'name': ...}}", field)
        for name, value in values.items():
            try:
                of_name(f"a name in {field}", name)
                of_value(f"{field}[{name!r}]", value)
            except UserError as error:
                raise UserError(f"{error}", field) from error

    return check


def run_name(field: str, value: Any) -> None:
    """A name that a run's folder may have.

    Example:
      >>> run_name("name", "../x")
      Traceback (most recent call last):
      mtl.errors.UserError: name is '../x'; begin with a letter or digit, and use only these, spaces, _ + -, 60 at most
    """
    text(field, value)
    if reason := why_no_name(value):
        raise UserError(f"{field} is {shown(value)}; {reason}", field)


def plain(where: str, value: Any) -> None:
    """What every reader of JSON holds: no number of NumPy's, no fraction, none of more than 64 binary digits.

    Example:
      >>> plain("train.sizes", ("32=3", 2**70))
      Traceback (most recent call last):
      mtl.errors.UserError: train.sizes[1] is 1180591620717411303424, which config.json cannot hold; give a plain value
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            plain(f"{where}.{name}", inner)
    elif isinstance(value, tuple | list):
        for place, inner in enumerate(value):
            plain(f"{where}[{place}]", inner)
    elif not (isinstance(value, float | str) or (isinstance(value, int) and abs(value) < 2**63)):
        raise UserError(f"{where} is {shown(value)}, which config.json cannot hold; give a plain value", where)
