"""What each setting means in this study, and why it is so: in words that this run's configuration and figures bear out.

Where a setting has a few values, `values.OF_VALUES` has a text for each; the others are written by a function here.
"""

from typing import Any

from mtl.record.paths import DST, METRICS, RESULTS, run_file
from mtl.record.reading import RunRecord, StudyRecord
from mtl.report.names import BACKBONES, name_in_sentence
from mtl.report.quote import quote, words
from mtl.report.shown import dropping_methods, main_form
from mtl.report.terms import has_faces, in_terms, main_score
from mtl.report.values import Setting, choice, listed, number

PUBLISHED_SIZE = 64  # pixels, of published comparisons on CelebA
ADAM_RATE = 1e-3
OF_BACKBONES = {
    "resnet18": "a residual network with batch normalization; published comparisons on CelebA use it too (Sener and "
    "Koltun 2018)",
    "vgg16": "convolutions in a row, without shortcuts and without batch normalization",
}
OTHER = "torchvision's classification network of that name"
LETTERS = {"d": "depth", "c": "count", "u": "incompleteness", "r": "stagnancy", "b": "regularization"}


def settings(study: StudyRecord) -> list[Setting]:
    """The settings that matter in this study: those of DST only if it drops tasks."""
    lines = [*_network(study), *_images(study), *_training(study), *_dropping(study)]
    return [line._replace(meaning=in_terms(study, line.meaning)) for line in lines]


def _network(study: StudyRecord) -> list[Setting]:
    model = study.config["config"]["model"]
    backbone = model["backbone"]
    lines = [
        Setting("model.backbone", words(BACKBONES.get(backbone, backbone)), words(_of_backbone(study, backbone))),
        Setting(
            "model.weights",
            words(model["weights"] or "random"),
            "trained before this study" if model["weights"] else "nothing was learned before this training",
        ),
        choice(study, "model/head"),
    ]
    if model.get("width", 1.0) != 1.0:
        lines.insert(1, number(study, "model/width", "times as many channels in each layer as the network usually has"))
    if model.get("head_init", "random") != "random":  # older runs have none
        lines.append(choice(study, "model/head_init"))
    if model["head"] == "mlp":
        lines.append(number(study, "model/hidden", "units between the two layers of a head"))
    taps = len(model["taps"])
    meaning = {
        0: "every attribute is read off the end of the trunk",
        len(study.results["tasks"]): "where each attribute leaves the trunk",
    }.get(taps, "where these attributes leave the trunk; the others do at its end")
    return [*lines, Setting("model.taps", listed(model["taps"]), meaning)]


def _of_backbone(study: StudyRecord, backbone: str) -> str:
    text = OF_BACKBONES.get(backbone, OTHER)
    return text if has_faces(study) else text.partition("; published")[0]


def _images(study: StudyRecord) -> list[Setting]:
    data = study.config["config"]["data"]
    size = data["image_size"]
    beside = "as" if size == PUBLISHED_SIZE else "fewer than" if size < PUBLISHED_SIZE else "more than"
    seen = ", so small things are harder to see" if size < PUBLISHED_SIZE else ""
    published = f", {beside} in published comparisons{seen}" if has_faces(study) else ""
    flipped = "half of the training images are mirrored, drawn at random" if data["flip"] else "no image is mirrored"
    shifted = (
        "pixels by which training images are shifted at most, each way" if data["max_shift"] else "no image is shifted"
    )
    hidden = (
        "share of the training labels that these attributes keep; the others keep all"
        if data["label_fractions"]
        else "no training label was hidden"
    )
    return [
        number(study, "data/image_size", f"pixels a side{published}"),
        choice(study, "data/crop"),
        Setting("data.flip", "yes" if data["flip"] else "no", flipped),
        number(study, "data/max_shift", shifted),
        Setting("data.label_fractions", listed(data["label_fractions"]), hidden),
    ]


def _training(study: StudyRecord) -> list[Setting]:
    train = study.config["config"]["train"]
    method, seed, _ = _example(study)
    num_steps = quote(study, run_file(method, seed, METRICS), "0/step", "integer")
    adamw, warm = train["optimizer"] == "adamw", train["warmup_epochs"]
    lines = [
        number(study, "train/epochs", epochs_reason(study)),
        number(study, "train/batch_size", f"images per step; an epoch has {num_steps} steps"),
        choice(study, "train/optimizer"),
    ]
    if not adamw:
        lines.append(number(study, "train/momentum", "share of the last step's direction that is kept"))
    decay = "decoupled from the gradient, as AdamW has it" if adamw else "an L2 penalty, added to the gradient"
    rise = "epochs in which the rate rises linearly"
    if adamw:
        rise += "; AdamW's averages rest on few gradients at first"
    if train.get("sizes"):
        grown = "pixels of the images that the epochs train on; validation and test see all pixels"
        lines.insert(1, Setting("train.sizes", listed(train["sizes"]), grown))
    if train.get("freeze"):
        still = "parts of the trunk that stand still, with what they began with"
        lines.append(Setting("train.freeze", listed(train["freeze"]), still))
    if train.get("learning_rates"):
        own = "what the rate is multiplied with for these parts of the network"
        lines.append(Setting("train.learning_rates", listed(train["learning_rates"]), own))
    if train.get("mirrored"):
        lines.append(
            Setting("train.mirrored", "yes", "predictions average the logits of an image and its mirror image")
        )
    return [
        *lines,
        number(study, "train/learning_rate", _rate_reason(train)),
        number(study, "train/weight_decay", decay if train["weight_decay"] else "no weight decay"),
        Setting("train.schedule", words(train["schedule"]), _schedule_reason(train)),
        number(study, "train/warmup_epochs", rise if warm else "no warm-up: the first step takes the full rate"),
        choice(study, "train/precision"),
    ]


def epochs_reason(study: StudyRecord) -> str:
    """How the validation score went over the epochs of one run, and where the best epoch of every run lies; markup."""
    method, seed, run = _example(study)
    if len(run.epochs) == 1:
        score = main_score(study)
        return f"one pass over the training images; whether more would raise validation {score} is not known"
    file, best, last = run_file(method, seed, METRICS), run.results["best_epoch"], len(run.epochs)

    def at(epoch: int) -> str:
        return f"{quote(study, file, f'{epoch - 1}/valid/overall_{main_score(study)}', 'percent', 1)} %"

    name = words(name_in_sentence(method))
    seed_number = quote(study, run_file(method, seed, RESULTS), "seed", "integer")
    best_number = quote(study, run_file(method, seed, RESULTS), "best_epoch", "integer")
    ends = (
        f"{at(last)} after the last, which is the best"
        if best == last
        else f"{at(best)} after the best, epoch {best_number}, and {at(last)} after the last"
    )
    first = f"validation {main_score(study)} of {name}, seed {seed_number}: {at(1)} after the first epoch"
    return f"{first}, {ends}; {_best_epochs(study)}"


def _best_epochs(study: StudyRecord) -> str:
    at_end = [
        run.results["best_epoch"] == len(run.epochs) for of_method in study.runs.values() for run in of_method.values()
    ]
    if all(at_end):
        return "the last epoch is the best of every run, so more of them may score higher"
    if any(at_end):
        return "the last epoch is the best of some runs, which more of them may raise"
    return "the last epoch is the best of no run"


def _rate_reason(train: dict[str, Any]) -> str:
    usual = "; customary with Adam" if train["optimizer"] == "adamw" and train["learning_rate"] == ADAM_RATE else ""
    if train["schedule"] == "constant" and not train["warmup_epochs"]:
        return f"the same in every step{usual}"
    return f"the highest of the schedule{usual}"


def _schedule_reason(train: dict[str, Any]) -> str:
    if train["warmup_epochs"] >= train["epochs"]:
        return "no part of it is reached: the rate rises in a warm-up as long as the run"
    after = "after the warm-up " if train["warmup_epochs"] else ""
    return {
        "cosine": f"{after}the rate falls to zero along half a cosine, so the last steps are small",
        "constant": f"{after}the rate stays as it is, so the last steps are as large as those before",
    }[train["schedule"]]


def _dropping(study: StudyRecord) -> list[Setting]:
    """Lambda, beta and how they are used, of the form of DST that the report looks at closely."""
    methods = dropping_methods(study)
    if not methods:
        return []
    method = main_form(study) or methods[0]
    seed, run = next(iter(study.runs[method].items()))
    file = run_file(method, seed, DST)
    lambdas = [
        Setting(f"$lambda_{letter}$, {name}", quote(study, file, f"0/weights/{letter}", "plain"), _weight(run, letter))
        for letter, name in LETTERS.items()
    ]
    ours = [
        Setting(
            f"$lambda$, {name} (ours)",
            quote(study, file, f"0/weights/ours/{name}", "plain"),
            "a metric that the paper does not have; what it is stands where the drop rate is explained",
        )
        for name in run.dst[0]["weights"].get("ours", {})
    ]
    return [
        *lambdas,
        *ours,
        Setting("$beta$", quote(study, file, "0/beta", "plain"), _beta_reason(run)),
        *(choice(study, f"dst/{field}") for field in ("period", "measure", "count")),
        number(
            study, "dst/probe_images", "training images on which V is measured, at most; rounded down to whole batches"
        ),
    ]


def _weight(run: RunRecord, letter: str) -> str:
    """What a metric contributes to P in this run."""
    if run.dst[0]["weights"][letter] == 0:
        return "does not count"
    if letter == "b":
        return "a constant part of every P, which is therefore never lower; it guards against forgetting"
    if letter in ("u", "r") and len(run.dst) == 1:
        return "is one for all tasks in the first epoch, and there is no other"
    if all(p == 1 for line in run.dst for p in line[f"P_{letter}"].values()):
        same = {"d": "all tasks have the same depth", "c": "all tasks have as many samples"}
        return f"{same.get(letter, 'it stayed at its highest')}: it is one for all of them, and tells none from another"
    return {
        "d": "tasks that leave the trunk early are likelier to be dropped",
        "c": "tasks with few samples are likelier to be dropped",
        "u": "tasks whose loss has fallen furthest are likelier to be dropped",
        "r": "tasks whose loss falls fastest are likelier to be dropped",
    }[letter]


def _beta_reason(run: RunRecord) -> str:
    if run.dst[0]["weights"]["r"] == 0:
        return "no effect: stagnancy does not count"
    if len(run.dst) < 3:
        return "no effect: rates of change are averaged from the third epoch on"
    return "weight of the newest rate of change in stagnancy"


def _example(study: StudyRecord) -> tuple[str, int, RunRecord]:
    """Joint training's first run, or the first that there is."""
    method = "joint" if "joint" in study.runs else next(iter(study.runs))
    return method, *next(iter(study.runs[method].items()))
