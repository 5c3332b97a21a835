"""Parameters that learn at rates of their own: multiples of the schedule's."""

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from mtl.errors import UserError, check_choice
from mtl.optim.optimizer import Optimizer, OptimizerState, Tensors, Update


def parse_rates(entries: Sequence[str], groups: Sequence[str]) -> dict[str, float]:
    """Reads `train.learning_rates`: ("heads=10", "layer1=0.1") -> group -> what the schedule's rate is multiplied with.

    Args:
      entries: group=multiplier, each group at most once.
      groups: those that there are.

    Raises:
      UserError: for an entry that is none, an unknown group, and a multiplier that is not above 0.

    Example:
      >>> parse_rates(["heads=10", "layer1=0.1"], ["layer1", "layer2", "heads"])
      {'heads': 10.0, 'layer1': 0.1}
    """
    rates: dict[str, float] = {}
    for entry in entries:
        group, _, number = (part.strip() for part in entry.partition("="))
        try:
            rate = float(number)
        except ValueError:
            rate = 0.0
        if not 0.0 < rate < float("inf"):
            raise UserError(
                f"learning_rates has {entry!r}; write group=multiplier with a number above 0, as in heads=10 "
                "(what shall not learn at all is named in freeze)",
                "learning_rates",
            )
        check_choice("learning_rates", group, groups)
        if group in rates:
            raise UserError(f"learning_rates names {group!r} twice; name each group once", "learning_rates")
        rates[group] = rate
    return rates


def scale_rates(optimizer: Optimizer, rates: Mapping[str, float]) -> Optimizer:
    """The same optimizer, with a learning rate of their own for some parameters.

    All share one count of updates, so that its state is as it was.

    Args:
      rates: parameter -> what its learning rate is multiplied with; 1 for others.

    Example:
      >>> import torch
      >>> from mtl.optim.sgd import sgd
      >>> optimizer, params = scale_rates(sgd(), {"late": 10.0}), {"early": torch.zeros(1), "late": torch.zeros(1)}
      >>> gradients = {name: torch.ones(1) for name in params}
      >>> optimizer.update(gradients, optimizer.init(params), params, torch.tensor(0.1))[0]
      {'early': tensor([-0.1000]), 'late': tensor([-1.])}
    """
    if all(rate == 1.0 for rate in rates.values()):
        return optimizer

    def scaled(update: Update) -> Update:
        def update_groups(
            gradients: Tensors, state: OptimizerState, params: Tensors, learning_rate: Tensor
        ) -> tuple[Tensors, OptimizerState]:
            moved: Tensors = {}
            moments: dict[str, Tensors] = {moment: {} for moment in state.moments}
            num_updates = state.num_updates
            for rate, names in _by_rate(rates, params).items():
                own = {moment: _pick(tree, names) for moment, tree in state.moments.items()}
                given = _pick(gradients, names), OptimizerState(state.num_updates, own), _pick(params, names)
                values, (num_updates, new) = update(*given, learning_rate * rate)
                moved |= values
                moments = {moment: tree | new[moment] for moment, tree in moments.items()}
            in_order = {moment: _pick(tree, params) for moment, tree in moments.items()}  # or the next step recompiles
            return _pick(moved, params), OptimizerState(num_updates, in_order)

        return update_groups

    return Optimizer(optimizer.init, scaled(optimizer.update), scaled(optimizer.update_donated))


def _by_rate(rates: Mapping[str, float], names: Iterable[str]) -> dict[float, list[str]]:
    groups: dict[float, list[str]] = {}
    for name in names:
        groups.setdefault(rates.get(name, 1.0), []).append(name)
    return groups


def _pick(tree: Tensors, names: Iterable[str]) -> Tensors:
    return {name: tree[name] for name in names}
