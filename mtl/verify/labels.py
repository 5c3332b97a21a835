"""A run's predictions from its published logits and the label files of whoever asks."""

from pathlib import Path
from typing import Any

import numpy as np

from mtl.data.fingerprint import differences, fingerprint
from mtl.data.load import DataSettings, prepare_table
from mtl.data.pack import Pack
from mtl.data.table import SPLITS, Table, take_rows
from mtl.errors import UserError
from mtl.kinds import all_binary
from mtl.record.paths import LOGITS
from mtl.record.settings import BEFORE
from mtl.statistics.half import read_logits
from mtl.statistics.predictions import Predictions
from mtl.training.tasks import guesses

Tables = dict[DataSettings, Table]  # those that were read already


def read_settings(config: dict[str, Any], root: str) -> DataSettings:
    """`config.data` of a run, from its config.json.

    Args:
      config: what that file holds under "config".
      root: the folder of the label files here; "" for the one where the run had them.

    Example:
      >>> data = dict.fromkeys(DataSettings._fields, 0) | {"root": "there", "cache": "c", "attributes": ["Male"]}
      >>> read_settings({"data": data | {"label_fractions": [], "tasks": []}}, "here").root.as_posix()
      'here'
    """
    data = {name: config["data"].get(name, BEFORE.get(f"data.{name}")) for name in DataSettings._fields}
    names = {name: tuple(data[name]) for name in ("attributes", "label_fractions", "tasks")}
    paths = {"root": Path(root or data["root"]).expanduser(), "cache": Path(data["cache"])}
    return DataSettings(**{**data, **names, **paths})


def read_labels(described: dict[str, Any], root: str, known: Tables) -> Table:
    """The table that a run was trained on, as the files at hand give it.

    Args:
      described: the run's config.json.
      root: see `read_settings`.
      known: tables that were read already; this one is added.
    """
    settings = read_settings(described["config"], root)
    if settings not in known:
        known[settings] = prepare_table(settings)
    table = known[settings]
    return take_rows(table, np.flatnonzero(~np.isin(table.ids, described["skipped_images"])))


def other_data(described: dict[str, Any], table: Table) -> list[str]:
    """In what the labels at hand differ from those that the run was trained on; nothing for a run of before digests.

    Pixels are not looked at.
    """
    before = described.get("fingerprint")
    if before is None:
        return []
    now = fingerprint(Pack(np.zeros((0, 3, 1, 1), np.uint8), table, (), before["pixels"]))
    return differences(before, now, set())


def label(folder: Path, table: Table) -> Predictions:
    """What predictions.npz of a run holds, with logits in half precision.

    Args:
      folder: of the run.
      table: from `read_labels`.

    Raises:
      UserError: if the logits are not there, or of other images than the labels.
    """
    arrays = read_logits(folder / LOGITS)
    rows = np.flatnonzero(table.split == SPLITS.index("test"))
    if not np.array_equal(arrays["ids"], table.ids[rows]) or tuple(arrays["tasks"].tolist()) != table.attributes:
        raise UserError(
            f"{folder / LOGITS} is of other test images or tasks than the label files give: name the folder of the "
            "files that the study was made with",
            "root",
        )
    kinds = () if all_binary(table.kinds) else table.kinds
    dtype = np.float64 if kinds else bool
    return Predictions(
        logits_NK=arrays["logits"].astype(np.float32),
        labels_NK=table.labels[rows].astype(dtype),
        mask_NK=table.mask[rows],
        identity_N=table.identity[rows],
        majority_K=guesses(table).astype(dtype),
        tasks=table.attributes,
        ids_N=table.ids[rows],
        kinds=kinds,
    )
