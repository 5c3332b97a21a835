"""The flags of the command, and what was typed."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags
from ml_collections import ConfigDict

from mtl.command.configurations import CONFIGS, check_fields, find_config, place, read_flags, split_config
from mtl.errors import UserError
from mtl.export import FILES
from mtl.launchers import LAUNCHERS

STUDY, PREDICTIONS = "runs/study", "runs/predictions"  # where jobs write if nobody says
JOBS = {
    "study": "methods x seeds and their tables",
    "report": "statistics, figures, report.pdf and demo.mp4 of a study, from what its runs wrote",
    "plan": "what a study will take and what it can find, before it runs: runs, hours on this machine, detectable gain",
    "verify": "whether a study is what follows from its logits, its logs and the label files under config.data.root",
    "bundle": "all of it and the code in one zip",
    "train": "one run of config.variant, or of config.method, with config.seed",
    "attributes": "figures of all attributes of the data at hand",
    "bench": "what steps cost and what they bring, beside what others use, into config.bench.folder",
    "predict": "what a trained network says of the faces in photos, as a table, JSON lines and a page to look at",
    "app": "a page in the browser of this machine to try photos on",
    "export": "a trained network in one file that other programs run, see docs/models.md",
}
JOBS_OF = {  # flag -> the jobs that it goes with; the others go with all
    "launcher": ("study",),
    "shard": ("study",),
    "model": ("predict", "app", "export"),
    "photos": ("predict",),
    "align": ("predict",),
    "saliency": ("predict",),
    "port": ("app",),
    "format": ("export",),
    "output": ("export",),
}


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
    format: str
    output: str


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
    typed = define(given)
    config, positional = read_flags(given, file, others)
    values = {flag: holder.value for flag, holder in typed.items()}
    if values.pop("help"):
        print(ABOUT, given.get_help(include_special_flags=False), sep="\n")
        return None
    if positional:
        raise UserError(f"{positional[0]!r} is no flag, and mtl takes nothing else: --config=FILE, --workdir=DIR, ...")
    job = values["job"]
    for flag, jobs in JOBS_OF.items():
        if job not in jobs and values[flag] != typed[flag].default:
            wanted = " and ".join(f"--job={each}" for each in jobs)
            raise UserError(f"--{flag} goes with {wanted}, and not with --job={job}")
    folder = place(values["workdir"] or (PREDICTIONS if job == "predict" else STUDY), "--workdir")
    if not str(folder).isprintable():  # bytes that are no UTF-8 among them: no report and no table could name it
        raise UserError(f"--workdir={str(folder)!r} has characters that cannot be written: choose another name")
    zip_file = place(values["bundle"] or f"{folder}.zip", "--bundle")
    return Command(**{**values, "config": config, "workdir": folder, "bundle": zip_file})


ABOUT = """The command `mtl`, which is also launch.py: multi-task learning of face attributes.

mtl --config=NAME_OR_FILE --config.FIELD=VALUE ... --workdir=DIR --job=JOB
"""


def define(given: flags.FlagValues) -> dict[str, flags.FlagHolder[Any]]:
    """Defines all flags but --config: name -> where its value will be."""
    return {
        "job": flags.DEFINE_enum(
            "job", "study", list(JOBS), "; ".join(f"{job}: {text}" for job, text in JOBS.items()), flag_values=given
        ),
        "workdir": flags.DEFINE_string(
            "workdir",
            None,
            f"where everything is written; by default {STUDY}, and {PREDICTIONS} with --job=predict",
            flag_values=given,
        ),
        "bundle": flags.DEFINE_string(
            "bundle", "", "the zip that --job=bundle writes; by default WORKDIR.zip", flag_values=given
        ),
        "launcher": flags.DEFINE_enum(
            "launcher",
            "local",
            list(LAUNCHERS),
            "who trains the runs of --job=study: local: this machine, config.study.num_parallel at once; ray: a Ray "
            "cluster, a task per run with what config.study.ray asks for; see docs/cluster.md",
            flag_values=given,
        ),
        "shard": flags.DEFINE_string(
            "shard",
            "",
            "i/n: --job=study trains only the i-th of n parts of the runs, as a task of a Slurm array does; by default "
            "all",
            flag_values=given,
        ),
        "model": flags.DEFINE_string(
            "model",
            "",
            "the trained network of --job=predict, app and export: a folder named model that a run left; app takes "
            "two, with a comma between; by default predict and app take the one that comes with mtl, of 40 attributes",
            flag_values=given,
        ),
        "photos": flags.DEFINE_string(
            "photos",
            "",
            "what --job=predict looks at: files, folders and patterns, with commas between",
            flag_values=given,
        ),
        "align": flags.DEFINE_string(
            "align",
            "on",
            "on: --job=predict finds faces and aligns them as CelebA's are; off: each photo is such an image already",
            flag_values=given,
        ),
        "saliency": flags.DEFINE_boolean(
            "saliency",
            False,
            "the page of --job=predict also shows which pixels each answer hangs on; takes longer",
            flag_values=given,
        ),
        "port": flags.DEFINE_integer(
            "port", 7860, "where --job=app is found, on this machine alone", 0, 65535, flag_values=given
        ),
        "format": flags.DEFINE_enum(
            "format",
            "onnx",
            list(FILES),
            "what --job=export writes: onnx: for onnxruntime and others; pt2: torch.export's, for torch alone; "
            "safetensors: the numbers in half precision",
            flag_values=given,
        ),
        "output": flags.DEFINE_string(
            "output",
            "",
            f"the file that --job=export writes; by default {', '.join(FILES.values())} in the folder of --model",
            flag_values=given,
        ),
        "help": flags.DEFINE_boolean("help", False, "prints this", short_name="h", flag_values=given),
    }
