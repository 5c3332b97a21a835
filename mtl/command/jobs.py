"""What each job calls."""

from collections.abc import Callable

from absl import flags

from mtl.command.configurations import PRETRAINED, find_config, place, read_flags
from mtl.command.flags import Command
from mtl.errors import UserError, not_installed


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


def run_plan(command: Command) -> None:
    from mtl.config import read_study
    from mtl.plan.job import plan, read_assumed

    print(plan(read_study(command.config), command.workdir, read_assumed(command.config.study.plan.to_dict())))


def run_verify(command: Command) -> None:
    from mtl.record.files import read_json
    from mtl.record.paths import CONFIG
    from mtl.verify.job import in_words, verify

    if not (command.workdir / CONFIG).is_file():
        raise UserError(f"{command.workdir} holds no study (no {CONFIG}): name one with --workdir=DIR")
    same = read_json(command.workdir / CONFIG)["config"]["data"]["name"] == command.config.data.name
    verdict = verify(command.workdir, command.config.data.root if same else "")
    print(in_words(command.workdir, verdict))
    if verdict.wrong:
        raise SystemExit(1)


def run_bundle(command: Command) -> None:
    from mtl.report.bundle import bundle

    print(bundle(command.workdir, command.bundle))


def run_train(command: Command) -> None:
    from mtl.config import read_run, single_run
    from mtl.study import print_run

    print_run(read_run(single_run(command.config)), command.workdir)


def run_attributes(command: Command) -> None:
    from mtl.config import read_data
    from mtl.data.load import describe_columns

    print(describe_columns(read_data(command.config)))


def run_bench(command: Command) -> None:
    from mtl.bench.job import bench
    from mtl.config import read_bench

    recipe, _ = read_flags(flags.FlagValues(), find_config(command.config.bench.recipe, "--config.bench.recipe"), [])
    print(bench(read_bench(command.config, recipe)))


def run_predict(command: Command) -> None:
    if not command.photos:
        raise UserError("--job=predict wants --photos: give --photos=FILES_OR_FOLDERS")
    from mtl.predict.job import predict, split_places
    from mtl.training.networks import find_device

    device = find_device(command.config.train.device)
    places = split_places(command.photos)
    model = place(command.model, "--model") if command.model else PRETRAINED
    print(predict(model, places, command.align, command.saliency, command.workdir, device))


def run_app(command: Command) -> None:
    from mtl.app.job import open_page
    from mtl.training.networks import find_device

    open_page(command.model or str(PRETRAINED), command.port, find_device(command.config.train.device))


def run_export(command: Command) -> None:
    if not command.model:
        raise UserError("--job=export wants --model: give --model=DIR, the folder named model of a finished run")
    from mtl.export.job import export

    output = place(command.output, "--output") if command.output else None
    print(export(place(command.model, "--model"), command.format, output))


RUN: dict[str, Callable[[Command], None]] = {
    "study": run_study,
    "report": run_report,
    "plan": run_plan,
    "verify": run_verify,
    "bundle": run_bundle,
    "train": run_train,
    "attributes": run_attributes,
    "bench": run_bench,
    "predict": run_predict,
    "app": run_app,
    "export": run_export,
}
