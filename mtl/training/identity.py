"""What makes a run this run: its settings, its data, the numbers that it began with.

One that goes on, or joins a study, has those it began with.
"""

from pathlib import Path
from typing import Any

from mtl.data.fingerprint import Fingerprint, differences
from mtl.errors import UserError
from mtl.record.paths import CONFIG, find_files
from mtl.record.reading import read_config
from mtl.record.runs import comparable
from mtl.record.settings import changed_fields, effective, in_words, why_not_longer
from mtl.training.settings import RunSettings


def check_same_run(settings: RunSettings, folder: Path) -> bool:
    """Refuses to go on with a run that was begun with other settings; more epochs may be added.

    Returns:
      Whether there is such a run, begun for fewer epochs.

    Raises:
      UserError: with all fields that differ.
    """
    if not (folder / CONFIG).exists():
        return False
    before, now = (effective(values) for values in (read_config(folder)["config"], settings.raw))
    changed = changed_fields(before, now)
    if changed and (reason := why_not_longer(before, now, changed)):
        raise UserError(f"{folder} holds a run of other settings ({in_words(before, now, changed)}): {reason}")
    return bool(changed)


def check_same_study(settings: RunSettings, workdir: Path) -> None:
    """The runs of a study that are compared are trained alike; those that end earlier are still to go on.

    Raises:
      UserError: with all fields that differ.
    """
    group, now = comparable(settings.name, settings.raw)
    for path in find_files(workdir, CONFIG):
        of_other, before = comparable(path.parents[1].name, read_config(path.parent)["config"])
        changed = changed_fields(before, now) if of_other == group else []
        if changed and why_not_longer(before, now, changed):
            raise UserError(
                f"{path.parent} is of a study of other settings ({in_words(before, now, changed)}): choose another "
                "workdir, or delete that folder"
            )


def check_same_data(settings: RunSettings, now: Fingerprint, workdir: Path) -> None:
    """The runs of a study, and a run that goes on, have the same data; a run without a fingerprint is an older one.

    Raises:
      UserError: with what differs.
    """
    of_this = effective(settings.raw)
    for path in find_files(workdir, CONFIG):
        described = read_config(path.parent)
        if "fingerprint" in described:
            changed = changed_fields(effective(described["config"]), of_this)
            fields = {name.removeprefix("data.") for name in changed if name.startswith("data.")}
            if differing := differences(described["fingerprint"], now, fields):
                raise UserError(
                    f"{path.parent} was begun on other data than is there now, what differs being "
                    f"{' and '.join(differing)}: put the data back as it was, or choose another workdir"
                )


def check_same_weights(settings: RunSettings, begun: dict[str, Any], workdir: Path) -> None:
    """The runs of a study, and a run that goes on, that name the same weights began with the same numbers.

    Args:
      begun: what config.json says of them; a run that says nothing began with random numbers, or is an older one.

    Raises:
      UserError: if what has the name of another run's weights holds other numbers.
    """
    name = settings.raw["model"]["weights"]
    for path in find_files(workdir, CONFIG):
        described = read_config(path.parent)
        same_name = described["config"]["model"]["weights"] == name
        if same_name and "weights" in described and described["weights"]["digest"] != begun["weights"]["digest"]:
            raise UserError(
                f"{path.parent} began with other numbers than {name} holds now: put back what was there, or choose "
                "another workdir",
                "weights",
            )
