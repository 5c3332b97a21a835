"""The model folder that a finished run leaves."""

from pathlib import Path
from typing import Any

from mtl.models.images import IMAGENET_MEAN, IMAGENET_STD
from mtl.models.model import Params
from mtl.models.probes import Tensors
from mtl.record.paths import MODEL
from mtl.record.reading import read_config
from mtl.statistics.decisions import Decisions
from mtl.statistics.predictions import Predictions
from mtl.trained.card import write_card
from mtl.trained.folder import save_model
from mtl.trained.settings import Settings
from mtl.training.networks import find_taps
from mtl.training.run import Run
from mtl.training.starting import was_transforming


def leave_model(
    run: Run, params: Params, buffers: Tensors, results: dict[str, Any], decisions: Decisions, test: Predictions
) -> None:
    """Writes the folder.

    Args:
      run: that is finished.
      params, buffers: of its best epoch.
      results: what its results.json will hold.
      decisions: from the validation split.
      test: predictions of the test split.
    """
    described = read_config(run.folder)
    settings = describe(run, described, results)
    save_model(
        run.folder / MODEL,
        run.model,
        params,
        buffers,
        settings,
        write_card(settings, described, results, decisions, test),
    )


def describe(run: Run, described: dict[str, Any], results: dict[str, Any]) -> Settings:
    """What the folder's config.json says.

    Args:
      run: that is finished.
      described: what its own config.json holds.
      results: what its results.json will.
    """
    model, data, tasks = run.settings.model, run.settings.data, run.model.tasks
    separate = run.settings.method == "single_task"
    return Settings(
        tasks=tasks,
        kinds=run.data.pack.table.kinds,
        backbone=model.backbone,
        width=model.width,
        weights=Path(model.weights).name,
        transforms_input=was_transforming(described),
        taps=find_taps(run.settings, tasks),
        head=model.head,
        hidden=model.hidden,
        separate=separate,
        precision=described.get("precision", run.settings.train.precision),  # older runs say it nowhere else
        image_size=data.image_size,
        crop=data.crop,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        mirrored=run.settings.train.mirrored,
        temperatures=results["decisions"]["temperatures"],
        thresholds=results["decisions"]["thresholds"],
        trained={
            **{name: results[name] for name in ("method", "seed", "epochs", "best_epoch")},
            "data": data.name,
            **{name: described[name] for name in ("revision", "versions", "fingerprint") if name in described},
        },
    )
