"""The finished runs of a study: where they are, whether they belong together, how they were made."""

from pathlib import Path
from typing import Any

from mtl.errors import UserError
from mtl.record.paths import DST, METRICS, RESULTS, SEED, find_files, parse_run_file
from mtl.record.reading import read_config, read_dst, read_metrics, read_results
from mtl.record.settings import Settings, changed_fields, effective, in_words

Folders = dict[str, dict[int, Path]]  # method or variant -> seed -> folder of a finished run
FIRST = ("joint", "single_task")
PER_RUN = (
    "method",
    "variant",
    "seed",
    "data.fold",
)  # the runs of a study differ in these fields, and in options of methods


def find_runs(workdir: Path) -> Folders:
    """The finished runs of a study: `FIRST`, other methods, those that drop tasks, and variants, each by the alphabet.

    Raises:
      UserError: if there is none, a file of one is damaged or was moved, two were trained with different settings or
        on different data, or began with different numbers of the same name.
    """
    folders: Folders = {}
    for path in find_files(workdir, RESULTS):
        results = read_results(path.parent)
        name, seed = results["method"], results["seed"]
        if parse_run_file(path.relative_to(workdir).as_posix()) != (name, seed, RESULTS):
            raise UserError(
                f"{path} is that of {name}, seed {seed}, whose place is {name}/{SEED}{seed}: a copy does not count "
                "as a run; move it out of the study, or back to its place"
            )
        _check_logs(path.parent, results["epochs"])
        folders.setdefault(name, {})[seed] = path.parent
    if not folders:
        raise UserError(f"{workdir} holds no finished run: run the job study with this workdir first")
    _check_same_settings(folders)
    _check_same_weights([folder for of_method in folders.values() for folder in of_method.values()])
    order = sorted(folders, key=lambda name: _place(name, next(iter(folders[name].values()))))
    return {name: dict(sorted(folders[name].items())) for name in order}


def method_of(folder: Path) -> str:
    """The method of a run, whose name is its variant's where it is one."""
    return read_config(folder)["config"]["method"]


def read_provenance(folders: Folders) -> dict[str, list[str]]:
    """How the runs were made, each text once: commands, source revisions, devices, versions."""
    configs = [read_config(folder) for runs in folders.values() for folder in runs.values()]
    described = {
        "commands": [config["command"] for config in configs],
        "revisions": [config["revision"] for config in configs],
        "devices": [config["device"] for config in configs],
        "versions": [f"{name} {version}" for config in configs for name, version in config["versions"].items()],
    }
    return {name: list(dict.fromkeys(texts)) for name, texts in described.items()}


def _place(name: str, folder: Path) -> tuple[int, bool, bool, str]:
    rank = FIRST.index(name) if name in FIRST else len(FIRST)
    is_variant = name != method_of(folder)
    return rank, is_variant, not is_variant and (folder / DST).is_file(), name


def _check_logs(folder: Path, num_epochs: int) -> None:
    """The logs of a finished run have a line for each of its epochs: one that was cut between two lines has fewer."""
    _, epochs = read_metrics(folder)
    drops = any(gate < 1 for line in epochs for gate in line.get("gates", {}).values()) or (folder / DST).exists()
    for name, lines in {METRICS: epochs, **({DST: read_dst(folder)} if drops else {})}.items():
        if len(lines) != num_epochs:
            raise UserError(
                f"{folder / name} has lines of {len(lines)} of {num_epochs} epochs, though the run is finished: put a "
                "whole copy in its place, or delete that run's folder and train it again"
            )


def comparable(name: str, config: dict[str, Any]) -> tuple[str, Settings]:
    """Which runs of a study this one shares its settings with, and those settings.

    Methods share all settings but `PER_RUN`; a variant's own differ, but not between its seeds.

    Args:
      name: of the run.
      config: as it is in config.json.

    Example:
      >>> comparable("dst", {"method": "dst", "seed": 3, "dst": {"beta": 0.5}})
      ('', {'dst.beta': 0.5})
    """
    settings = {field: of for field, of in effective(config).items() if not field.startswith(PER_RUN)}
    return "" if name == config["method"] else name, settings


def _check_same_settings(folders: Folders) -> None:
    seen: dict[str, tuple[Path, Settings]] = {}
    on: dict[tuple[str, str], tuple[Path, Any]] = {}  # group and fold -> what data
    for name, of_method in folders.items():
        for folder in of_method.values():
            described = read_config(folder)
            group, settings = comparable(name, described["config"])
            other, expected = seen.setdefault(group, (folder, settings))
            if changed := changed_fields(settings, expected):
                raise UserError(
                    f"{folder} and {other} were trained with other settings ({in_words(settings, expected, changed)}): "
                    "they are no study; delete one of them"
                )
            if "fingerprint" in described:  # runs from before it pass
                data = described["fingerprint"]
                fold = described["config"].get("data", {}).get("fold", "")
                other, same_data = on.setdefault((group, fold), (folder, data))
                if any(data[part] != same_data[part] for part in data.keys() & same_data.keys()):
                    raise UserError(f"{folder} and {other} were trained on other data: they are no study; delete one")


def _check_same_weights(folders: list[Path]) -> None:
    """Files of weights with the same name must have held the same; runs from before their digests pass."""
    seen: dict[str, tuple[Path, str]] = {}
    for folder in folders:
        described = read_config(folder)
        if "weights" in described:
            name, digest = described["config"]["model"]["weights"], described["weights"]["digest"]
            other, expected = seen.setdefault(name, (folder, digest))
            if digest != expected:
                raise UserError(
                    f"{folder} and {other} began with weights of one name, {name}, that held different numbers: "
                    "they are no study; delete one of them"
                )
