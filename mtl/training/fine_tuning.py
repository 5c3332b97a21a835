"""Which parameters learn at which rate, as `train.freeze` and `train.learning_rates` have it."""

from collections.abc import Iterable

from mtl.errors import UserError
from mtl.models.architectures import architecture, trunk_parts
from mtl.models.parts import WHOLE, within
from mtl.optim import parse_rates
from mtl.training.settings import ModelSettings, TrainSettings

HEADS = "heads"


def find_rates(
    train: TrainSettings, model: ModelSettings, taps: Iterable[str], params: Iterable[str]
) -> tuple[dict[str, float], float]:
    """(parameter of the trunk -> what the schedule's rate is multiplied with, the same for all heads).

    Args:
      taps: the stages that tasks read.
      params: names of the trunk's parameters that are trained.

    Raises:
      UserError: for an entry that is none, and for a part that is frozen.
    """
    if not train.learning_rates:
        return {}, 1.0
    parts = trunk_parts(architecture(model.backbone), tuple(taps))
    rates = parse_rates(train.learning_rates, (*parts, HEADS))
    if still := [name for name in rates if name in train.freeze or (WHOLE in train.freeze and name != HEADS)]:
        raise UserError(f"learning_rates has {still[0]!r}, which freeze lets stand still", "learning_rates")
    return (
        {name: rate for name in params for part, rate in rates.items() if within(name, parts.get(part, ()))},
        rates.get(HEADS, 1.0),
    )
