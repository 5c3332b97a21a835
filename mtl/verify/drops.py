"""A run's account of the drop rates again: P from V by Algorithm 1, or from the run that it repeats; gates from P."""

from pathlib import Path
from typing import Any

from mtl import dst, gating
from mtl.record.files import Line, as_json
from mtl.record.paths import run_folder
from mtl.record.reading import read_dst, read_metrics
from mtl.record.traces import CONTROLS


def account_again(workdir: Path, name: str, folder: Path, config: dict[str, Any]) -> list[Line]:
    """The lines of dst.jsonl as they follow from their V; none for a run that drops nothing.

    Args:
      workdir: of the study.
      name: of the run.
      folder: of the run.
      config: what its config.json holds under "config".
    """
    lines = read_dst(folder)
    if not lines:
        return []
    state, found, dropping = None, [], _make_dropping(workdir, name, folder, config, lines)
    for line in lines:
        seen = {name: of["x"] for name, of in line.get("ours", {}).items() if of["x"] is not None}
        state, plan = gating.plan_epoch(dropping, state, line["V"], seen)
        found.append(as_json(plan.line))
    return found


def _make_dropping(
    workdir: Path, name: str, folder: Path, config: dict[str, Any], lines: list[Line]
) -> gating.Dropping:
    given, seed = config["dst"], config["seed"]
    scheme = config["method"] if config["method"] in gating.DROPPING else "dst"
    static = dst.Static(lines[0]["depth"], lines[0]["count"], dst.Weights(**lines[0]["weights"]), lines[0]["beta"])
    control, num_steps = None, None
    if scheme in CONTROLS:
        repeated = run_folder(workdir, given.get("repeats", "dst"), seed)
        control = gating.read_control(scheme, repeated, len(lines), seed)
    if given["period"] == "step":
        first = read_metrics(folder)[1][0]
        num_steps = first["step"] // first["epoch"]
    kept_from = next((line["epoch"] for line in lines if line.get("kept")), None)
    own = gating.own_key(given.get("gates_seed", -1), name)
    return gating.Dropping(scheme, static, seed, control, num_steps, kept_from, own)
