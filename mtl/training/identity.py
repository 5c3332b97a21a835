"""What makes a run this run: its settings, its data, the numbers that it began with.

One that goes on, or joins a study, has those it began with.
"""

from pathlib import Path
from typing import Any

from mtl.data.fingerprint import Fingerprint, differences
from mtl.errors import UserError
from mtl.record.paths import CONFIG, find_files
from mtl.record.reading import read_config
from mtl.record.settings import changed_fields, effective
from mtl.training.settings import RunSettings


def check_same_run(settings: RunSettings, folder: Path) -> None:
    """Refuses to go on with a run that was begun with other settings.

    Raises:
      UserError: with the first field that differs.
    """
    if not (folder / CONFIG).exists():
        return
    before, now = (effective(values) for values in (read_config(folder)["config"], settings.raw))
    changed = changed_fields(before, now)
    if changed:
        name = changed[0]
        raise UserError(
            f"{folder} holds a run with {name} = {before.get(name)!r}, not {now.get(name)!r}: "
            "choose another workdir, or delete that folder"
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
