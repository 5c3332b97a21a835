"""What methods cost and what they dropped, as Markdown tables."""

from typing import Any

import numpy as np

from mtl.statistics.markdown import markdown, percent


def compute_table(compute: dict[str, dict[str, float]]) -> str:
    """What each method cost: the mean over its runs.

    Example:
      >>> compute = {"joint": {"task_gradients": 80000.0, "seconds": 60.0}}
      >>> compute["dst"] = {"task_gradients": 72000.0, "seconds": 63.0}
      >>> print(compute_table(compute).partition("\\n\\n")[0])
      | method | task-gradients, thousands | of joint's, % | seconds | of joint's, % |
      |--------|---------------------------|---------------|---------|---------------|
      | joint  | 80.0                      | 100.0         | 60      | 100.0         |
      | dst    | 72.0                      | 90.0          | 63      | 105.0         |
    """
    rows = [["method", "task-gradients, thousands", "of joint's, %", "seconds", "of joint's, %"]]
    for method, of in compute.items():
        shares = {key: f"{100 * of[key] / compute['joint'][key]:.1f}" if "joint" in compute else "-" for key in of}
        gradients = f"{of['task_gradients'] / 1000:.1f}"
        rows.append([method, gradients, shares["task_gradients"], f"{of['seconds']:.0f}", shares["seconds"]])
    note = (
        "Per run. A task-gradient is one open task in one training step, with its part of the backward pass; what a "
        "balancing method needs on top is in the seconds, which validation and whatever else ran beside it are in too."
    )
    return markdown(rows) + f"\n\n{note}"


def dropping_table(dropping: dict[str, Any]) -> str:
    """How much each method dropped: the mean drop rate, and the gates that were drawn.

    Example:
      >>> overall = {"drop_rate": 0.041, "num_shut": 8.0, "num_gates": 240, "gates_shut": 8 / 240}
      >>> print(dropping_table({"dst": {"overall": overall}}).partition("\\n\\n")[0])
      | method | mean drop rate, % | gates shut | of  | share, % |
      |--------|-------------------|------------|-----|----------|
      | dst    | 4.10              | 8          | 240 | 3.33     |
    """
    rows = [["method", "mean drop rate, %", "gates shut", "of", "share, %"]]
    for method, of_method in dropping.items():
        overall = of_method["overall"]
        num_shut, num_gates = f"{overall['num_shut']:.4g}", str(overall["num_gates"])
        rows.append([method, percent(overall["drop_rate"]), num_shut, num_gates, percent(overall["gates_shut"])])
    note = "Over tasks, epochs and seeds. The drop rate 1 - P is what was intended, the gates are what was drawn."
    return markdown(rows) + f"\n\n{note}"


def drop_table(runs: dict[str, list[dict[str, Any]]], method: str) -> str:
    """Drop rates per epoch in Markdown, mean over seeds in per cent, with how often the task was then dropped.

    Example:
      >>> runs = {"0": [{"epoch": 1, "drop_rate": {"Male": 0.25}, "G": {"Male": 0.0}}]}
      >>> print(drop_table(runs, "dst").partition("\\n\\n")[0])
      | epoch | Male     |
      |-------|----------|
      | 1     | 25.00 x1 |
    """
    tasks = list(next(iter(runs.values()))[0]["drop_rate"])
    rows = [["epoch", *tasks]]
    for lines in zip(*runs.values(), strict=True):
        cells = []
        for task in tasks:
            rate = float(np.mean([line["drop_rate"][task] for line in lines]))
            num_dropped = sum(line["G"][task] == 0 for line in lines)
            cells.append(percent(rate) + (f" x{num_dropped}" if num_dropped else ""))
        rows.append([str(lines[0]["epoch"]), *cells])
    note = (
        f"{method}: drop rate 1 - P in per cent, mean over seeds; xN: dropped in that epoch in N of {len(runs)} runs."
    )
    return markdown(rows) + f"\n\n{note}"
