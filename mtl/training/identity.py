"""What makes a run this run: its settings and its data. One that goes on, or joins a study, has those it began with."""

import json
from pathlib import Path
from typing import Any

from mtl import methods
from mtl.data.fingerprint import Fingerprint, differences
from mtl.errors import UserError
from mtl.training.settings import RunSettings

# Fields that change nothing of a run's numbers: a run may go on with others than it began with.
WITHOUT_EFFECT = ("study", "data.cache", "data.num_workers", "train.log_every", "train.checkpoint_seconds")


def check_same_run(settings: RunSettings, folder: Path) -> None:
    """Refuses to go on with a run that was begun with other settings.

    Raises:
      UserError: with the first field that differs.
    """
    path = folder / "config.json"
    if not path.is_file():
        return
    before, now = (effective(values) for values in (json.loads(path.read_text())["config"], settings.raw))
    changed = _changed(before, now)
    if changed:
        name = changed[0]
        raise UserError(
            f"{folder} holds a run with {name} = {before.get(name)!r}, not {now.get(name)!r}: "
            "choose another --workdir, or delete that folder"
        )


def check_same_data(settings: RunSettings, now: Fingerprint, workdir: Path) -> None:
    """The runs of a study, and a run that goes on, have the same data; a run without a fingerprint is an older one.

    Raises:
      UserError: with what differs.
    """
    of_this = effective(settings.raw)
    for path in sorted(workdir.glob("*/seed_*/config.json")):
        described = json.loads(path.read_text())
        if "fingerprint" in described:
            changed = _changed(effective(described["config"]), of_this)
            fields = {name.removeprefix("data.") for name in changed if name.startswith("data.")}
            if differing := differences(described["fingerprint"], now, fields):
                raise UserError(
                    f"{path.parent} was begun on other data than is there now, what differs being "
                    f"{' and '.join(differing)}: put the data back as it was, or choose another --workdir"
                )


def effective(config: dict[str, Any]) -> dict[str, Any]:
    """Flattens a configuration to "section.field" -> JSON value, without what has no effect on a run."""
    flat: dict[str, Any] = {}
    others = tuple(f"methods.{name}" for name in methods.METHODS if name != config["method"])

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{prefix}.{key}" if prefix else key, inner)
        elif not prefix.startswith(WITHOUT_EFFECT + others):
            flat[prefix] = json.loads(json.dumps(value))

    visit("", config)
    return flat


def _changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
