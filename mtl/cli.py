"""The command `mtl`, which is also launch.py: multi-task learning of face attributes.

mtl --config=NAME_OR_FILE --config.FIELD=VALUE ... --workdir=DIR --job=JOB
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import NamedTuple

from absl import flags
from ml_collections import ConfigDict, config_flags

from mtl.errors import UserError, closest, not_installed
from mtl.launchers import LAUNCHERS

PACKAGE = Path(__file__).parent
# Beside launch.py in a clone; within the package once it is installed from a wheel (see setup.py).
CONFIGS = next(folder for folder in (PACKAGE.parent / "configs", PACKAGE / "shipped/configs") if folder.is_dir())
CONFIG_FLAG = re.compile(r"--?(?:no)?config\.([\w.]+)")  # as config_flags reads it


class Command(NamedTuple):
    """What was typed."""

    job: str
    config: ConfigDict
    workdir: Path
    bundle: Path
    launcher: str
    shard: str


def main(argv: Sequence[str] | None = None) -> int:
    """Does what a command line says, that of the process if none is given.

    Returns:
      The exit code: 2 for a user's mistake, which is said in one sentence.
    """
    try:
        command = parse(list(sys.argv if argv is None else argv))
        if command is not None:
            do(command)
    except (UserError, OSError) as error:  # OSError: a full disk, a folder that may not be written
        print(f"mtl: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmtl: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def parse(argv: list[str]) -> Command | None:
    """Reads a command line; None where it only asked for help, which is printed then.

    Raises:
      UserError: for anything in it that cannot be.
    """
    if str(CONFIGS.parent) not in sys.path:  # configurations import each other as configs.NAME
        sys.path.append(str(CONFIGS.parent))
    name, others = split_config(argv[1:])
    file = find_config(name)
    _check_fields(file, others)
    given = flags.FlagValues()
    workdir = flags.DEFINE_string("workdir", "runs/study", "where everything is written", flag_values=given)
    job = flags.DEFINE_enum(
        "job",
        "study",
        list(JOBS),
        "study: methods x seeds and their tables; report: statistics, figures, report.pdf and demo.mp4 of a study, "
        "from what its runs wrote; bundle: all of it and the code in one zip; train: one run of config.variant, or of "
        "config.method, with config.seed; attributes: figures of all attributes of the data at hand; bench: what steps "
        "cost and what they bring, beside what others use, into config.bench.folder",
        flag_values=given,
    )
    bundle = flags.DEFINE_string(
        "bundle", "", "the zip that --job=bundle writes; by default WORKDIR.zip", flag_values=given
    )
    launcher = flags.DEFINE_enum(
        "launcher",
        "local",
        list(LAUNCHERS),
        "who trains the runs of --job=study: local: this machine, config.study.num_parallel at once; ray: a Ray "
        "cluster, a task per run with what config.study.ray asks for; see docs/cluster.md",
        flag_values=given,
    )
    shard = flags.DEFINE_string(
        "shard",
        "",
        "i/n: --job=study trains only the i-th of n parts of the runs, as a task of a Slurm array does; by default all",
        flag_values=given,
    )
    wants_help = flags.DEFINE_boolean("help", False, "prints this", short_name="h", flag_values=given)
    config, positional = _read_flags(given, file, others)
    if wants_help.value:
        print(__doc__, given.get_help(include_special_flags=False), sep="\n")
        return None
    if positional:
        raise UserError(f"{positional[0]!r} is no flag, and mtl takes nothing else: --config=FILE, --workdir=DIR, ...")
    for flag in (launcher, shard):
        if job.value != "study" and flag.value != flag.default:
            raise UserError(f"--{flag.name} goes with --job=study, and not with --job={job.value}")
    folder = Path(workdir.value).expanduser()
    zip_file = Path(bundle.value or f"{folder}.zip").expanduser()
    return Command(job.value, config, folder, zip_file, launcher.value, shard.value)


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
    path = Path(name).expanduser()
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(CONFIGS.glob("*.py"))}
    if path.parent in (Path(), Path("configs")) and path.stem in shipped:
        return shipped[path.stem]
    raise UserError(f"{flag}={name}: there is no such file, and of those of mtl it is {closest(path.stem, shipped)}")


def do(command: Command) -> None:
    """Does a job.

    Raises:
      UserError: with the field to change, where there is one.
    """
    try:
        JOBS[command.job](command)
    except UserError as error:
        from mtl.config import name_field

        raise name_field(error, command.config) from error


# Each job imports what it needs, so that --help is answered at once.
def run_study(command: Command) -> None:
    from mtl.config import read_study
    from mtl.launchers.shards import parse_shard
    from mtl.study import print_study

    shard = parse_shard(command.shard) if command.shard else None
    print_study(read_study(command.config), command.workdir, command.launcher, shard)


def run_report(command: Command) -> None:
    try:
        from mtl.report.job import report
    except ImportError as error:
        raise not_installed("the report is drawn", error.name or "a package") from error
    print(report(command.workdir))


def run_bundle(command: Command) -> None:
    from mtl.report.bundle import bundle

    print(bundle(command.workdir, command.bundle))


def run_train(command: Command) -> None:
    from mtl.config import read_run, single_run
    from mtl.study import print_run

    print_run(read_run(single_run(command.config)), command.workdir)


def run_attributes(command: Command) -> None:
    from mtl.config import read_data
    from mtl.data.attributes import attributes_table
    from mtl.data.load import chosen_attributes, load_table

    data = read_data(command.config.data)
    table = load_table(data)
    print(attributes_table(table, chosen_attributes(data, table)))


def run_bench(command: Command) -> None:
    from mtl.bench.job import bench
    from mtl.config import read_bench

    recipe, _ = _read_flags(flags.FlagValues(), find_config(command.config.bench.recipe, "--config.bench.recipe"), [])
    print(bench(read_bench(command.config, recipe)))


JOBS: dict[str, Callable[[Command], None]] = {
    "study": run_study,
    "report": run_report,
    "bundle": run_bundle,
    "train": run_train,
    "attributes": run_attributes,
    "bench": run_bench,
}


def _check_fields(file: Path, arguments: list[str]) -> None:
    """Looks the fields up before config_flags does, whose message names neither the field nor those there are."""
    fields = [match[1] for match in map(CONFIG_FLAG.match, arguments) if match]
    if not fields:
        return
    from mtl.config import check_field

    config, _ = _read_flags(flags.FlagValues(), file, [])
    for field in fields:
        check_field(config, field)


def _read_flags(given: flags.FlagValues, file: Path, arguments: list[str]) -> tuple[ConfigDict, list[str]]:
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
    return config.value, positional


if __name__ == "__main__":
    sys.exit(main())
