"""What config.json of a model folder says of the network of `tests.tiny`."""

from typing import Any

from mtl.kinds import BINARY
from mtl.trained.settings import Settings
from tests.tiny import SIZE, TASKS


def tiny_settings(tasks: tuple[str, ...] = TASKS, **changed: Any) -> Settings:
    """Settings with plain values, but for those that are given."""
    settings = Settings(
        tasks=tasks,
        kinds=(BINARY,) * len(tasks),
        backbone="tiny",
        width=1.0,
        weights="",
        transforms_input=False,
        taps=dict.fromkeys(tasks, "stage2"),
        head="linear",
        hidden=5,
        separate=False,
        precision="float32",
        image_size=SIZE,
        crop="full",
        mean=(0.4, 0.5, 0.6),
        std=(0.2, 0.3, 0.4),
        mirrored=False,
        temperatures={task: 0.5 + k for k, task in enumerate(tasks)},
        thresholds={task: 0.3 + 0.2 * k for k, task in enumerate(tasks)},
        trained={},
    )
    return settings._replace(**changed)
