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
from mtl.launchers import LAUNCHERS

STUDY, PREDICTIONS = "runs/study", "runs/predictions"  # where jobs write if nobody says


class Command(NamedTuple):
    """What was typed."""

    job: str
    config: ConfigDict
    workdir: Path
    bundle: Path
    launcher: str
    shard: str
    model: str
    photos: str
    align: str
    saliency: bool
    port: int


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
        print("\nmtl: stopped; with the same command, training goes on from the last checkpoint", file=sys.stderr)
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
    workdir = flags.DEFINE_string(
        "workdir",
        None,
        f"where everything is written; by default {STUDY}, and {PREDICTIONS} with --job=predict",
        flag_values=given,
    )
    job = flags.DEFINE_enum(
        "job",
        "study",
        list(JOBS),
        "study: methods x seeds and their tables; report: statistics, figures, report.pdf and demo.mp4 of a study, "
        "from what its runs wrote; bundle: all of it and the code in one zip; train: one run of config.variant, or of "
        "config.method, with config.seed; attributes: figures of all attributes of the data at hand; bench: what steps "
        "cost and what they bring, beside what others use, into config.bench.folder; predict: what a trained network "
        "says of the faces in photos, as a table, JSON lines and a page to look at; app: a page in the browser of this "
        "machine to try photos on",
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
        "model",
        "",
        "the trained network of --job=predict and --job=app: a folder named model that a run left; app takes two, with "
        "a comma between",
        flag_values=given,
    )
    photos = flags.DEFINE_string(
        "photos", "", "what --job=predict looks at: files, folders and patterns, with commas between", flag_values=given
    )
    align = flags.DEFINE_string(
        "align",
        "on",
        "on: --job=predict finds faces and aligns them as CelebA's are; off: each photo is such an image already",
        flag_values=given,
    )
    saliency = flags.DEFINE_boolean(
        "saliency",
        False,
        "the page of --job=predict also shows which pixels each answer hangs on; takes longer",
        flag_values=given,
    )
    port = flags.DEFINE_integer(
        "port", 7860, "where --job=app is found, on this machine alone", 0, 65535, flag_values=given
    )
    wants_help = flags.DEFINE_boolean("help", False, "prints this", short_name="h", flag_values=given)
    config, positional = read_flags(given, file, others)
    if wants_help.value:
        print(__doc__, given.get_help(include_special_flags=False), sep="\n")
        return None
    if positional:
        raise UserError(f"{positional[0]!r} is no flag, and mtl takes nothing else: --config=FILE, --workdir=DIR, ...")
    for jobs, its_flags in (
        (("study",), (launcher, shard)),
        (("predict", "app"), (model,)),
        (("predict",), (photos, align, saliency)),
        (("app",), (port,)),
    ):
        for flag in its_flags:
            if job.value not in jobs and flag.value != flag.default:
                wanted = " and ".join(f"--job={name}" for name in jobs)
                raise UserError(f"--{flag.name} goes with {wanted}, and not with --job={job.value}")
    folder = Path(workdir.value or (PREDICTIONS if job.value == "predict" else STUDY)).expanduser()
    zip_file = Path(bundle.value or f"{folder}.zip").expanduser()
    of_trained = model.value, photos.value, align.value, saliency.value, port.value
    return Command(job.value, config, folder, zip_file, launcher.value, shard.value, *of_trained)


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


def run_predict(command: Command) -> None:
    for flag, value in (("model", command.model), ("photos", command.photos)):
        if not value:
            raise UserError(f"--job=predict wants --{flag}: give --model=DIR and --photos=FILES_OR_FOLDERS")
    from mtl.predict.job import predict, split_places
    from mtl.training.networks import find_device

    device = find_device(command.config.train.device)
    places = split_places(command.photos)
    print(predict(Path(command.model), places, command.align, command.saliency, command.workdir, device))


def run_app(command: Command) -> None:
    from mtl.app.job import open_page
    from mtl.training.networks import find_device

    open_page(command.model, command.port, find_device(command.config.train.device))


JOBS: dict[str, Callable[[Command], None]] = {
    "study": run_study,
    "report": run_report,
    "bundle": run_bundle,
    "train": run_train,
    "attributes": run_attributes,
    "bench": run_bench,
    "predict": run_predict,
    "app": run_app,
}


if __name__ == "__main__":
    sys.exit(main())
