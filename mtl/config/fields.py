"""The fields of a configuration, by name: which there are, and which one a mistake was read from."""

from collections.abc import Iterable

from ml_collections import ConfigDict

from mtl.errors import UserError, closest

# Where an argument of the library may come from; the first that has its name.
SECTIONS = ("data", "model", "train", "dst", "gradients", "methods", "bench")


def check_field(config: ConfigDict, path: str) -> None:
    """Refuses a field that there is not, and says those that may be meant: of its section, and of its name elsewhere.

    Raises:
      UserError: if `path`, such as "train.epochs", leads to nothing.
    """
    section = config
    for name in path.split("."):
        if not isinstance(section, ConfigDict):
            raise UserError(f"--config.{path} leads to nothing: {path.removesuffix(f'.{name}')} has no fields")
        if name not in section:
            elsewhere = [field for field in _fields(config) if field.split(".")[-1] == name]
            raise UserError(f"--config.{path} is no field: {name!r} is {closest(name, (*elsewhere, *section))}")
        section = section[name]


def name_field(error: UserError, config: ConfigDict) -> UserError:
    """The sentence with the field that its argument was read from, unless it names it already.

    Example:
      >>> str(name_field(UserError("epochs is -1", "epochs"), ConfigDict({"train": {"epochs": -1}})))
      'epochs is -1 (--config.train.epochs)'
    """
    fields = _fields(config)
    for field in (error.argument, *(f"{section}.{error.argument}" for section in SECTIONS)):
        if field in fields and field not in str(error):
            return UserError(f"{error} (--config.{field})", field)
    return error


def split_names(values: Iterable[str]) -> tuple[str, ...]:
    """Splits at commas, since `--config.study.methods=joint,dst` arrives as one name.

    Example:
      >>> split_names(("joint,dst", "random_drop"))
      ('joint', 'dst', 'random_drop')
    """
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def _fields(config: ConfigDict) -> list[str]:
    nested = {name: _fields(value) if isinstance(value, ConfigDict) else [] for name, value in config.items()}
    return [*config, *(f"{name}.{field}" for name, fields in nested.items() for field in fields)]
