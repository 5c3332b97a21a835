"""Multi-task learning as pure functions in PyTorch: networks, losses, per-task gradients, balancing methods, DST.

Names are imported when they are first used, so that `import mtl.report` needs no torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtl import dst as dst
    from mtl import methods as methods
    from mtl.batch import Batch as Batch
    from mtl.batch import make_batch as make_batch
    from mtl.batch import make_gates as make_gates
    from mtl.errors import UserError as UserError
    from mtl.gating import draw_gates as draw_gates
    from mtl.gradients import sources as sources
    from mtl.gradients.levels import make_source as make_source
    from mtl.losses import Task as Task
    from mtl.losses import binary as binary
    from mtl.losses import classes as classes
    from mtl.losses import regression as regression
    from mtl.models.backbones import from_module as from_module
    from mtl.models.backbones import make_backbone as make_backbone
    from mtl.models.model import Params as Params
    from mtl.models.model import make_model as make_model
    from mtl.optim import adamw as adamw
    from mtl.optim import make_schedule as make_schedule
    from mtl.optim import sgd as sgd
    from mtl.state import TrainState as TrainState
    from mtl.trained.folder import load_model as load_model
    from mtl.trained.module import to_module as to_module
    from mtl.training import checkpoint as checkpoint
    from mtl.training.compile import maybe_compile as maybe_compile
    from mtl.training.existing_loop import backward as backward
    from mtl.training.measuring import make_loss_step as make_loss_step
    from mtl.training.measuring import make_predict_step as make_predict_step
    from mtl.training.step import init_state as init_state
    from mtl.training.step import make_train_step as make_train_step

_EXPORTS = {  # module -> what is imported from it
    "mtl.batch": ("Batch", "make_batch", "make_gates"),
    "mtl.errors": ("UserError",),
    "mtl.gating": ("draw_gates",),
    "mtl.gradients.levels": ("make_source",),
    "mtl.losses": ("Task", "binary", "classes", "regression"),
    "mtl.models.backbones": ("from_module", "make_backbone"),
    "mtl.models.model": ("Params", "make_model"),
    "mtl.optim": ("adamw", "make_schedule", "sgd"),
    "mtl.state": ("TrainState",),
    "mtl.trained.folder": ("load_model",),
    "mtl.trained.module": ("to_module",),
    "mtl.training.compile": ("maybe_compile",),
    "mtl.training.existing_loop": ("backward",),
    "mtl.training.measuring": ("make_loss_step", "make_predict_step"),
    "mtl.training.step": ("init_state", "make_train_step"),
}
_PLACES = {name: module for module, names in _EXPORTS.items() for name in names}
_MODULES = {
    "checkpoint": "mtl.training.checkpoint",
    "dst": "mtl.dst",
    "methods": "mtl.methods",
    "sources": "mtl.gradients.sources",
}

__all__ = [*_PLACES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("mtl")
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _PLACES:
        raise AttributeError(f"module 'mtl' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
