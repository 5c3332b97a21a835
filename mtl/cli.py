"""The command `mtl`, which is also launch.py: multi-task learning of face attributes.

mtl --config=NAME_OR_FILE --config.FIELD=VALUE ... --workdir=DIR --job=JOB
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from absl import flags
from ml_collections import ConfigDict

from mtl.configurations import CONFIGS, check_fields, find_config, read_flags, split_config
from mtl.errors import UserError, not_installed
from mtl.export import FILES
from mtl.launchers import LAUNCHERS


class Command(NamedTuple):
    """What was typed."""

    job: str
    config: ConfigDict
    workdir: Path
    bundle: Path
    launcher: str
    shard: str
    model: str
    format: str
    output: str


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
    check_fields(file, others)
    given = flags.FlagValues()
    workdir = flags.DEFINE_string("workdir", "runs/study", "where everything is written", flag_values=given)
    job = flags.DEFINE_enum(
        "job",
        "study",
        list(JOBS),
        "study: methods x seeds and their tables; report: statistics, figures, report.pdf and demo.mp4 of a study, "
        "from what its runs wrote; bundle: all of it and the code in one zip; train: one run of config.variant, or of "
        "config.method, with config.seed; attributes: figures of all attributes of the data at hand; bench: what steps "
        "cost and what they bring, beside what others use, into config.bench.folder; export: a trained network in one "
        "file that other programs run, see docs/models.md",
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
    model = flags.DEFINE_string(
        "model", "", "the trained network of --job=export: a folder named model that a run left", flag_values=given
    )
    file_format = flags.DEFINE_enum(
        "format",
        "onnx",
        list(FILES),
        "what --job=export writes: onnx: for onnxruntime and others; pt2: torch.export's, for torch alone; "
        "safetensors: the numbers in half precision",
        flag_values=given,
    )
    output = flags.DEFINE_string(
        "output",
        "",
        f"the file that --job=export writes; by default {', '.join(FILES.values())} in the folder of --model",
        flag_values=given,
    )
    wants_help = flags.DEFINE_boolean("help", False, "prints this", short_name="h", flag_values=given)
    config, positional = read_flags(given, file, others)
    if wants_help.value:
        print(__doc__, given.get_help(include_special_flags=False), sep="\n")
        return None
    if positional:
        raise UserError(f"{positional[0]!r} is no flag, and mtl takes nothing else: --config=FILE, --workdir=DIR, ...")
    for of_job, its_flags in (("study", (launcher, shard)), ("export", (model, file_format, output))):
        for flag in its_flags:
            if job.value != of_job and flag.value != flag.default:
                raise UserError(f"--{flag.name} goes with --job={of_job}, and not with --job={job.value}")
    folder = Path(workdir.value).expanduser()
    zip_file = Path(bundle.value or f"{folder}.zip").expanduser()
    given_to_export = model.value, file_format.value, output.value
    return Command(job.value, config, folder, zip_file, launcher.value, shard.value, *given_to_export)


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

    recipe, _ = read_flags(flags.FlagValues(), find_config(command.config.bench.recipe, "--config.bench.recipe"), [])
    print(bench(read_bench(command.config, recipe)))


def run_export(command: Command) -> None:
    if not command.model:
        raise UserError("--job=export wants --model: give --model=DIR, the folder named model of a finished run")
    from mtl.export.job import export

    output = Path(command.output).expanduser() if command.output else None
    print(export(Path(command.model).expanduser(), command.format, output))


JOBS: dict[str, Callable[[Command], None]] = {
    "study": run_study,
    "report": run_report,
    "bundle": run_bundle,
    "train": run_train,
    "attributes": run_attributes,
    "bench": run_bench,
    "export": run_export,
}


if __name__ == "__main__":
    sys.exit(main())
