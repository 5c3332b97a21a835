"""Names as they are written for people: of methods, tasks and networks. A name in code that is not here loses its _."""

BACKBONES = {"resnet18": "ResNet-18", "vgg16": "VGG-16"}
METHOD_NAMES = {
    "dst": "DST",
    "random_drop": "random dropping",
    "single_task": "single-task",
    "dst_depth": "DST, depth",
    "dst_count": "DST, count",
    "dst_incompleteness": "DST, incompleteness",
    "dst_stagnancy": "DST, stagnancy",
    "aligned_mtl": "Aligned-MTL",
    "auto_lambda": "Auto-Lambda",
    "boundary_intersection": "boundary intersection",
    "cagrad": "CAGrad",
    "coefficient_of_variation": "coefficient of variation",
    "conflict_free": "ConFIG",
    "constant": "fixed weights",
    "cosmos": "COSMOS",
    "cr_mogm": "CR-MOGM",
    "db_mtl": "DB-MTL",
    "dual_proj": "DualProj",
    "dynamic_task_prioritization": "dynamic task prioritisation",
    "dynamic_weight_average": "dynamic weight average",
    "excess_mtl": "ExcessMTL",
    "fairgrad": "FairGrad",
    "famo": "FAMO",
    "geometric": "geometric mean",
    "go4align": "GO4Align",
    "graddrop": "GradDrop",
    "gradnorm": "GradNorm",
    "gradvac": "GradVac",
    "impartial": "IMTL",
    "impartial_losses": "IMTL-L",
    "imtl_g": "IMTL-G",
    "krum": "Multi-Krum",
    "ldc": "LDC-MTL",
    "loss_balanced": "loss-balanced weighting",
    "mgda": "MGDA",
    "moco": "MoCo",
    "modo": "MoDo",
    "moml": "MOML",
    "nash_mtl": "Nash-MTL",
    "pcgrad": "PCGrad",
    "primary": "priority-constrained descent",
    "random_weighting": "random weights",
    "scale_invariant": "scale-invariant scalarisation",
    "sdmgrad": "SDMGrad",
    "smooth_tchebycheff": "smooth Tchebycheff",
    "soft_uncertainty": "soft uncertainty weighting",
    "trimmed_mean": "trimmed mean",
    "uncertainty": "uncertainty weighting",
    "upgrad": "UPGrad",
}
IN_SENTENCES = {"joint": "joint training", "single_task": "single-task networks"}  # where the short name is too short


def method_name(method: str) -> str:
    """As it is written in tables and figures; dst_<method> is DST's gates with another method's weights.

    Example:
      >>> method_name("dst"), method_name("dst_mgda"), method_name("my_method")
      ('DST', 'DST + MGDA', 'my method')
    """
    weights = method.removeprefix("dst_")
    if method not in METHOD_NAMES and weights in METHOD_NAMES:
        return f"DST + {METHOD_NAMES[weights]}"
    return METHOD_NAMES.get(method, task_name(method))


def name_in_sentence(method: str) -> str:
    """As it is written in a sentence.

    Example:
      >>> name_in_sentence("joint"), name_in_sentence("mgda")
      ('joint training', 'MGDA')
    """
    return IN_SENTENCES.get(method, method_name(method))


def task_name(task: str) -> str:
    """An attribute's name with spaces."""
    return task.replace("_", " ")
