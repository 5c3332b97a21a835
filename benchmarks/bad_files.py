"""Damaged data sets, photos and uploads, each tried in a forked child: how did they end?

An ending is success, images skipped by name, or one sentence; see `trials` for what a fault is, and `damage` for what
is done to the files. Every case is a pure function of its kind and seed.

Command: python benchmarks/bad_files.py --cases=2100 --scratch=DIR    writes artifacts/benchmarks/bad_files.json
         python benchmarks/bad_files.py --only="zip: cut" --seed=7 --cases=1 --scratch=DIR    prints how one ends
"""

from collections import Counter
from pathlib import Path
from typing import Any

import torch
from absl import app, flags
from damage import HEAVY
from result import write_result
from trials import KINDS, Ending, be_alone, open_whole, try_case

CASES = flags.DEFINE_integer("cases", 2100, "how many are tried", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "of the first case of each kind")
ONLY = flags.DEFINE_string("only", "", "a kind: only this one is tried, and nothing written")
SCRATCH = flags.DEFINE_string("scratch", None, "an empty folder, where data sets come and go", required=True)


def plan(num_cases: int, kinds: tuple[str, ...], seed: int) -> list[tuple[str, int]]:
    """Kinds and seeds: all kinds in turn, and those that take seconds every tenth time."""
    cases: list[tuple[str, int]] = []
    turn = 0
    while len(cases) < num_cases:
        light = turn % 10 > 0 and len(kinds) > 1
        cases += [(kind, seed + turn) for kind in kinds if not (light and any(word in kind for word in HEAVY))]
        turn += 1
    return cases[:num_cases]


def summarize(endings: list[Ending]) -> dict[str, Any]:
    """Counts by kind, the largest figures, and every fault with its seed."""
    by_kind: dict[str, Counter[str]] = {}
    for ending in endings:
        by_kind.setdefault(ending.kind, Counter())[ending.how] += 1
    return {
        "num_cases": len(endings),
        "endings": dict(Counter(ending.how for ending in endings)),
        "most_mib": round(max(ending.memory for ending in endings) / 2**20),
        "most_cpu_seconds": max(ending.seconds for ending in endings),
        "faults": [
            {"kind": each.kind, "seed": each.seed, "said": each.said} for each in endings if each.how == "fault"
        ],
        "by_kind": {kind: dict(counts) for kind, counts in by_kind.items()},
    }


def main(argv: list[str]) -> None:
    folder, endings = Path(SCRATCH.value), list[Ending]()
    be_alone()
    whole = open_whole(folder / "whole")
    for number, (kind, seed) in enumerate(plan(CASES.value, (ONLY.value,) if ONLY.value else KINDS, SEED.value), 1):
        endings.append(try_case(kind, seed, folder / "case", whole))
        if endings[-1].how == "fault" or ONLY.value or number % 100 == 0:
            print(f"{number}: {endings[-1]}", flush=True)
    found = summarize(endings)
    print(found["num_cases"], found["endings"], f"{found['most_mib']} MiB", f"{found['most_cpu_seconds']} s of CPU")
    if not ONLY.value:
        write_result("bad_files", found, torch.device("cpu"))


if __name__ == "__main__":
    app.run(main)
