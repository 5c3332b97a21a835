"""The only command: python launch.py --config=configs/x.py --config.field=value --workdir=DIR --job=JOB."""

import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from mtl.errors import UserError

CONFIG = config_flags.DEFINE_config_file("config", "configs/default.py", "the configuration; --config.field=value")
WORKDIR = flags.DEFINE_string("workdir", "runs/study", "where everything is written")
JOB = flags.DEFINE_enum(
    "job",
    "study",
    ["study", "report", "bundle", "train", "attributes"],
    "study: methods x seeds and their tables; report: statistics, figures, report.pdf and demo.mp4 of a study, from "
    "what its runs wrote; bundle: all of it and the code in one zip; train: one run of config.variant, or of "
    "config.method, with config.seed; "
    "attributes: figures of all attributes of the data at hand",
)
BUNDLE = flags.DEFINE_string("bundle", "", "the zip that --job=bundle writes; by default WORKDIR.zip")


# Each job imports what it needs, so that --help and a wrong flag are answered at once.
def run_study() -> None:
    from mtl.config import read_study
    from mtl.study import study

    print(study(read_study(CONFIG.value), Path(WORKDIR.value)))


def run_report() -> None:
    try:
        from mtl.report.job import report
    except ImportError as error:
        raise UserError(f"the report needs {error.name}, which is not installed; pip install 'mtl[report]'") from error
    print(report(Path(WORKDIR.value)))


def run_bundle() -> None:
    from mtl.report.bundle import bundle

    workdir = Path(WORKDIR.value)
    print(bundle(workdir, Path(BUNDLE.value or f"{workdir}.zip")))


def run_train() -> None:
    from mtl.config import read_run, single_run
    from mtl.study import run_line
    from mtl.training.loop import fit

    print(run_line(fit(read_run(single_run(CONFIG.value)), Path(WORKDIR.value))[1]))


def run_attributes() -> None:
    from mtl.config import read_data
    from mtl.data.attributes import attributes_table
    from mtl.data.load import chosen_attributes, load_table

    data = read_data(CONFIG.value.data)
    table = load_table(data)
    print(attributes_table(table, chosen_attributes(data, table)))


JOBS: dict[str, Callable[[], None]] = {
    "study": run_study,
    "report": run_report,
    "bundle": run_bundle,
    "train": run_train,
    "attributes": run_attributes,
}


def parse(argv: list[str]) -> list[str]:
    """Parses the flags; absl and ml_collections raise a dozen types for a wrong one, each with a sentence."""
    try:
        return flags.FLAGS(argv)
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        raise SystemExit(stop(f"{message} (see python launch.py --help)")) from None


def stop(message: str) -> int:
    """Says one sentence and gives the exit code of a user's mistake."""
    print(f"mtl: {message}", file=sys.stderr)
    return 2


def main(_: list[str]) -> int:
    try:
        JOBS[JOB.value]()
    except (UserError, OSError) as error:  # OSError: a full disk, a folder that may not be written
        return stop(str(error))
    except KeyboardInterrupt:
        print("\nmtl: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
