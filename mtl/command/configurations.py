"""Which configuration a command line names, and what it sets in it."""

import re
from collections import Counter
from pathlib import Path
from traceback import extract_tb

from absl import flags
from ml_collections import ConfigDict, config_flags
from ml_collections.config_flags import config_path

from mtl.errors import UserError, closest

PACKAGE = Path(__file__).parents[1]
# Beside launch.py in a clone; within the package once it is installed from a wheel (see setup.py).
CONFIGS = next(folder for folder in (PACKAGE.parent / "configs", PACKAGE / "shipped/configs") if folder.is_dir())
PRETRAINED = next(
    folder for folder in (PACKAGE.parent / "artifacts/pretrained", PACKAGE / "shipped/pretrained") if folder.is_dir()
)
CONFIG_FLAG = re.compile(r"--?(?:no)?config\.([\w.]+)")  # as config_flags reads it


def split_config(arguments: list[str]) -> tuple[str, list[str]]:
    """The configuration that is named, and the other arguments.

    Example:
      >>> split_config(["--config.seed=1", "--config=celeba", "--job=train"])
      ('celeba', ['--config.seed=1', '--job=train'])
    """
    name, others = "default", []
    remaining = iter(arguments)
    for argument in remaining:
        flag, equals, value = argument.partition("=")
        if flag in ("--config", "-config"):
            name = value if equals else next(remaining, "")
        else:
            others.append(argument)
    return name, others


def find_config(name: str, flag: str = "--config") -> Path:
    """A file of that name, or one of the configurations that come with mtl: celeba, celeba.py or configs/celeba.py.

    Raises:
      UserError: if there is neither; it says which flag named it.
    """
    path = place(name, flag)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(CONFIGS.glob("*.py"))}
    if path.parent in (Path(), Path("configs")) and path.stem in shipped:
        return shipped[path.stem]
    raise UserError(f"{flag}={name}: there is no such file, and of those of mtl it is {closest(path.stem, shipped)}")


def place(text: str, flag: str) -> Path:
    """The path that a flag gives; ~ is the home folder.

    Raises:
      UserError: for the home folder of a user that there is not.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(f"{flag}={text} lies in the home folder of a user that there is not") from error


def check_fields(file: Path, arguments: list[str]) -> None:
    """Looks the fields up before config_flags does, whose message names neither the field nor those there are."""
    fields = [match[1] for match in map(CONFIG_FLAG.match, arguments) if match]
    if not fields:
        return
    from mtl.config import check_field

    config, _ = read_flags(flags.FlagValues(), file, [])
    for field, count in Counter(fields).items():
        check_field(config, field)
        if count > 1 and isinstance(config_path.get_value(field, config), tuple):
            raise UserError(f"--config.{field} is given {count} times: give it once, with commas between its values")


def read_flags(given: flags.FlagValues, file: Path, arguments: list[str]) -> tuple[ConfigDict, list[str]]:
    """The configuration, and arguments that are no flags."""
    argv = ["mtl", f"--config={file}", *arguments]  # the file comes first: fields are set in what it gives
    text = "the configuration: a file, or the name of one that comes with mtl; --config.field=value sets a field"
    config = config_flags.DEFINE_config_file("config", None, text, given, sys_argv=argv)
    try:
        _, *positional = given(argv)
    except Exception as error:  # absl and ml_collections raise a dozen types, each with a text of one or more lines
        cause: BaseException | None = error
        while cause is not None:  # config_flags wraps a mistake in the file's own code
            lines = [frame.lineno for frame in extract_tb(cause.__traceback__) if frame.filename == str(file)]
            if lines:
                raise UserError(f"{file}, line {lines[-1]}: {type(cause).__name__}: {cause}") from error
            cause = cause.__context__
        message = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{message} (see --help)") from error
    _empty_tuples(config.value, arguments)
    return config.value, positional


def _empty_tuples(config: ConfigDict, arguments: list[str]) -> None:
    """Empties the sequences that are given as (): config_flags leaves them as they were."""
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        flag, equals, text = argument.partition("=")
        field = CONFIG_FLAG.fullmatch(flag)
        is_empty = (text if equals else following).replace(" ", "") in ("()", "[]")
        if field and is_empty and isinstance(config_path.get_value(field[1], config), tuple):
            config_path.set_value(field[1], config, ())
