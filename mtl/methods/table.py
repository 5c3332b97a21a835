"""The table of methods, README.md beside this file:  python -m mtl.methods.table > mtl/methods/README.md

What a method looks at is a field of it; its source and what others call it are lines at the head of its file.
"""

import sys

from mtl.methods import METHODS
from mtl.methods.base import Look

HEAD = """# Balancing methods, and who has them

One file each; formula, source, options and departures from the paper are in its docstring. A method looks at the
losses, at the inner products of the tasks' gradients (the Gramian), at those between two halves of the batch, or at the
gradients themselves. LibMTL: the list of its README (main, May 2025). TorchJD: what version 0.18 exports. A dash: it
has none. This file is written by `python -m mtl.methods.table > mtl/methods/README.md`.

| here | looks at | source | LibMTL | TorchJD |
|---|---|---|---|---|
| `joint` | nothing | the sum of the losses | EW | Sum |
"""
FOOT = """| - | | Ye et al., ECAI 2024 | FORUM | - |

FORUM is left out: in every step it trains a second copy of the network for some steps and compares its losses, which no
function of one batch's losses and gradients can do. (LibMTL has it in its trainer, not among its weightings.)
`auto_lambda` and `moml` are bilevel methods too; ours take their first-order form. LibMTL's AutoLambda is another rule
under that name: its weights are a softmax of what is learned.

`cr_mogm` looks at what the method that it smooths looks at, which is `mgda` unless the configuration names another.

Halves of a batch are not independent samples, which `modo`, `sdmgrad`, `auto_lambda` and `moml` want: they share
BatchNorm's mean and variance.

Where authors' code is another rule than their formula, an option has it: the shared gradient times K (`scale="code"` of
`cagrad`, `fairgrad`, `imgrad`, `sdmgrad`), weights that sum to K (of `loss_balanced`), heads times the weights
(`heads="weighted"` of `auxinash`, `mgda`, `nash_mtl`), gradients divided by a normaliser (of `mgda`), a warm-up (of
`smooth_tchebycheff`), another eigenvalue (`scale` of `aligned_mtl`), a second forward pass (`compared_with` of `famo`).
The default is the formula, but for `famo`'s, which costs no second pass.

PSMGD (Xu et al., AAAI 2025), MGDA's weights kept for some steps, is no method here but `gradients.every`, without its
smoothing of the weights. Not here, since nothing but their abstracts could be read (of DiBS-MTL, its README):
ConicGrad, SON-GOKU, DiBS-MTL, VarGrad, EMA loss weighting, AutoScale; of a capped MGDA nothing was found. Of GCond only
the README was read: it resolves conflicts in zones of cosines. IGB's second version is an agent of reinforcement
learning.
"""
WORDS: dict[Look, str] = {
    "losses": "losses",
    "gramian": "Gramian",
    "halves": "two halves of the batch",
    "gradients": "gradients",
}


def readme() -> str:
    """The text of README.md: methods that look at the same stand together.

    Example:
      >>> readme().splitlines()[0]
      '# Balancing methods, and who has them'
    """
    by_look = sorted(METHODS, key=lambda name: [list(WORDS).index(look) for look in reversed(METHODS[name]().looks_at)])
    return HEAD + "".join(map(_row, by_look)) + FOOT


def _row(name: str) -> str:
    method = METHODS[name]()
    looks = [WORDS[look] for look in method.looks_at] or ["nothing"]
    looks += [] if method.at_features else ["over steps"]
    lines = (sys.modules[METHODS[name].__module__].__doc__ or "").splitlines()
    said = dict(line.split(": ", 1) for line in lines if ": " in line)
    peers = [said.get(column, "-") for column in ("Source", "LibMTL", "TorchJD")]
    return f"| {' | '.join([f'`{name}`', ', '.join(looks), *peers])} |\n"


if __name__ == "__main__":
    print(readme(), end="")
