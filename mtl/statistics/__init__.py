"""Every figure of a study's results.json, from the predictions of its runs alone.

  predictions   reads predictions.npz
  half          logits.npz: what may be published of them, and what all figures are computed from
  splits        the test split that all runs share, or folds
  bootstrap     scores of a run on resamples of the test split
  ranking       average precision, likewise
  significance  standard error, intervals and p value of a difference; Holm's correction
  verdicts      a gain, a loss, equality within a margin, or nothing yet
  comparison    one method less another, by rules that are fixed before
  calibration   does a predicted probability say how often the attribute is there?
  temperatures  what logits are divided by, so that probabilities are calibrated
  thresholds    the probability from which on a task says "present"
  decisions     both, from the validation split, and what they do on the test split
  summary       all of it for a study
  results       results.json, with what the runs' logs add
  tables        results.json as Markdown; cost_tables, what methods cost and dropped; markdown, a table

Shape legend: N test images, K tasks, S seeds, C clusters of images (identities), R resamples.
"""

from mtl.statistics.comparison import REFERENCES, Rules, compare, compare_all
from mtl.statistics.predictions import Predictions, read_predictions
from mtl.statistics.results import write_results
from mtl.statistics.summary import describe, summarize
from mtl.statistics.verdicts import EQUAL, GAIN, LOSS, ONE_SEED, UNDECIDED

__all__ = [
    "EQUAL",
    "GAIN",
    "LOSS",
    "ONE_SEED",
    "REFERENCES",
    "UNDECIDED",
    "Predictions",
    "Rules",
    "compare",
    "compare_all",
    "describe",
    "read_predictions",
    "summarize",
    "write_results",
]
