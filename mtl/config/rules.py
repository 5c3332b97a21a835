"""What each field of configs/default.py may hold, a line for each, and the only place that says so.

A new field takes its line here. The options of a balancing method have their rules in its own file, where they are
arguments; what fields may not hold together is in `mtl.config.together`.
"""

from typing import Any

import torch

from mtl import dst, gating, methods
from mtl.bench.settings import FORMS, PARTS
from mtl.config.kinds import Rule, choice, folder, many, number, path, plain, run_name, table, text, whole, yes_or_no
from mtl.data.load import SOURCES
from mtl.data.pack import CROPS, ON_BAD_IMAGE
from mtl.errors import UserError
from mtl.gradients.levels import LEVELS
from mtl.models.heads import HEADS
from mtl.models.precision import PRECISIONS
from mtl.optim import OPTIMIZERS, SCHEDULES
from mtl.training.compile import MODES
from mtl.training.head_init import HEAD_INITS
from mtl.training.settings import ON_NONFINITE
from mtl.training.tasks import CLASS_WEIGHTS

METHODS = ("joint", "single_task", *methods.METHODS, *gating.DROPPING)
DEFAULTS = methods.default_options()
OF_A_STUDY = ("seed", "variant", "study", "bench")  # a variant differs in none of them


def device(field: str, value: Any) -> None:
    """A device by its name; whether it is there is seen where it is used, which may be another machine.

    Example:
      >>> device("train.device", "meta")
      Traceback (most recent call last):
      mtl.errors.UserError: train.device is 'meta'; give auto, or a device that computes, such as cpu, cuda or cuda:1
    """
    text(field, value)
    try:
        computes = value == "auto" or torch.device(value).type != "meta"
    except RuntimeError:  # no name that torch knows
        computes = False
    if not computes:
        raise UserError(
            f"{field} is {value!r}; give auto, or a device that computes, such as cpu, cuda or cuda:1", field
        )


def variant_name(field: str, value: Any) -> None:
    """A name for a variant: one that a folder may have, and that no method has.

    Example:
      >>> variant_name("a name in study.variants", "joint")
      Traceback (most recent call last):
      mtl.errors.UserError: a name in study.variants is 'joint', which is the name of a method; give the variant another
    """
    run_name(field, value)
    if value in METHODS:
        raise UserError(f"{field} is {value!r}, which is the name of a method; give the variant another", field)


def of_variant(field: str, value: Any) -> None:
    """A variant's name, or "" for none.

    Example:
      >>> of_variant("variant", "")  # says nothing
    """
    text(field, value)
    if value:
        variant_name(field, value)


def differences(field: str, value: Any) -> None:
    """The fields in which a variant differs, as a table."""
    table(text, anything)(field, value)
    if taken := [name for name in OF_A_STUDY if name in value]:
        raise UserError(f"{field} sets {taken[0]}, which is the study's; leave it out", field)


def anything(field: str, value: Any) -> None:
    """Whatever it is: its rule is applied elsewhere."""


def options(field: str, value: Any) -> None:
    """Options of balancing methods: method -> option -> value; each is made with its own."""
    table(choice(*methods.METHODS), table(text, anything))(field, value)
    plain(field, value)
    for name, of_method in value.items():
        if of_method != DEFAULTS.get(name):
            methods.make_method(name, dict(of_method))


SEED = whole("[0, 9007199254740991]")  # 2^53 - 1: what every reader of JSON holds exactly
SHARE = number("[0, 1]")
NAME = many(text, "('a', 'b')")

RULES: dict[str, Rule] = {
    "method": choice(*METHODS),
    "seed": SEED,
    "variant": of_variant,
    "study.methods": NAME,
    "study.seeds": many(SEED, "(0, 1, 2)"),
    "study.variants": table(variant_name, differences),
    "study.folds": whole("[0, 1000]"),
    "study.references": table(text, text),
    "study.comparisons": NAME,
    "study.margin": number("(0, 100)"),  # percentage points
    "study.plan.seed_spread": number("[0, 100]"),
    "study.plan.image_spread": number("(0, 1000]"),
    "study.plan.images_per_second": number("[0, inf)"),
    "study.num_parallel": whole("[1, 1024]"),
    "study.ray.num_cpus": whole("[1, 1024]"),
    "study.ray.num_gpus": number("[0, 1024]"),
    "study.ray.resources": table(text, number("[0, inf)")),
    "study.ray.max_retries": whole("[0, 1000000]"),
    "data.name": choice(*SOURCES),
    "data.root": path,
    "data.table": path,
    "data.tasks": NAME,
    "data.image_column": text,
    "data.split_column": text,
    "data.group_column": text,
    "data.split_seed": SEED,
    "data.attributes": NAME,
    "data.image_size": whole("[1, 4096]"),
    "data.crop": choice(*CROPS),
    "data.flip": yes_or_no,
    "data.max_shift": whole("[0, 4096]"),
    "data.on_bad_image": choice(*ON_BAD_IMAGE),
    "data.cache": folder,
    "data.num_workers": whole("[0, 1024]"),
    "data.fold": text,
    "data.num_faces": whole("[10, 10000000]"),  # 10: every split has some
    "data.faces_seed": SEED,
    "data.label_noise": SHARE,
    "data.label_fractions": NAME,
    "model.backbone": text,
    "model.width": number("(0, 64]"),
    "model.weights": path,
    "model.reuse_heads": yes_or_no,
    "model.taps": NAME,
    "model.head": choice(*HEADS),
    "model.hidden": whole("[1, 65536]"),
    "model.head_init": choice(*HEAD_INITS),
    "train.epochs": whole("[1, 100000]"),
    "train.sizes": NAME,
    "train.batch_size": whole("[2, 1000000]"),  # 2: BatchNorm averages over them
    "train.optimizer": choice(*OPTIMIZERS),
    "train.learning_rate": number("(0, inf)"),
    "train.learning_rates": NAME,
    "train.freeze": NAME,
    "train.momentum": number("[0, 1)"),
    "train.weight_decay": number("[0, inf)"),
    "train.schedule": choice(*SCHEDULES),
    "train.warmup_epochs": number("[0, 100000]"),
    "train.precision": choice("auto", *PRECISIONS),
    "train.compile": choice(*MODES),
    "train.sync_batchnorm": yes_or_no,
    "train.device": device,
    "train.log_every": whole("[1, 1000000000]"),
    "train.tensorboard": yes_or_no,
    "train.mirrored": yes_or_no,
    "train.class_weights": choice(*CLASS_WEIGHTS),
    "train.label_smoothing": number("[0, 1)"),
    "train.regression_loss": choice("squared", "l1", "huber"),
    "train.huber_delta": number("(0, inf)"),
    "train.checkpoint_seconds": number("[0, inf)"),
    "train.on_nonfinite": choice(*ON_NONFINITE),
    "train.max_skips": whole("[0, 1000000000]"),
    "dst.enabled": yes_or_no,
    "dst.weights.depth": SHARE,
    "dst.weights.count": SHARE,
    "dst.weights.incompleteness": SHARE,
    "dst.weights.stagnancy": SHARE,
    "dst.weights.regularization": SHARE,
    **{f"dst.weights.{name}": SHARE for name in dst.EXTENSIONS},
    "dst.beta": SHARE,
    "dst.period": choice("epoch", "step"),
    "dst.measure": choice("probe", "running"),
    "dst.repeats": text,
    "dst.gates_seed": whole("[-1, 9007199254740991]"),
    "dst.probe_images": whole("[1, 10000000]"),
    "dst.keep_last": whole("[0, 100000]"),
    "dst.count": choice("annotated", "positives"),
    "gradients.level": choice(*LEVELS),
    "gradients.every": whole("[1, 1000000000]"),
    "gradients.fraction": number("(0, 1]"),
    "bench.parts": many(text, str(PARTS)),
    "bench.form": choice(*FORMS),
    "bench.recipe": text,
    "bench.folder": folder,
    "methods": options,
}
