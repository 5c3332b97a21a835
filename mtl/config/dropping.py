"""`config.dst` as typed values."""

from ml_collections import ConfigDict

from mtl import dst, gating
from mtl.errors import UserError
from mtl.training.settings import DroppingSettings


def read_dropping(config: ConfigDict) -> DroppingSettings:
    """How the run of this configuration drops tasks.

    Raises:
      UserError: for lambdas, a beta or epochs without dropping that are out of range.
    """
    given, keep_last, num_epochs = config.dst.weights, config.dst.keep_last, config.train.epochs
    ours = {name: given[name] for name in dst.EXTENSIONS if given[name]}
    weights = dst.Weights(given.depth, given.count, given.incompleteness, given.stagnancy, given.regularization, ours)
    weights = gating.single_metric(config.method, weights)
    dst.check(dst.Static({}, {}, weights, config.dst.beta))
    if not 0 <= keep_last <= num_epochs:
        raise UserError(f"dst.keep_last is {keep_last}; give a number of epochs from 0 to train.epochs ({num_epochs})")
    scheme = config.method if config.method in gating.DROPPING else "dst" if config.dst.enabled else None
    return DroppingSettings(
        scheme=scheme,
        weights=weights,
        beta=config.dst.beta,
        per_step=config.dst.period == "step",
        running=config.dst.measure == "running",
        probe_images=config.dst.probe_images,
        only_positives=config.dst.count == "positives",
        keep_last=keep_last,
        repeats=config.dst.repeats,
        gates_seed=config.dst.gates_seed,
    )
