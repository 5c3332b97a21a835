"""Every figure of a study's results.json, from the predictions of its runs alone.

  predictions   reads predictions.npz
  bootstrap     scores of a run on resamples of the test split
  significance  standard error, interval and p value of a difference; Holm's correction
  comparison    one method less another
  calibration   does a predicted probability say how often the attribute is there?
  temperatures  what logits are divided by, so that probabilities are calibrated
  thresholds    the probability from which on a task says "present"
  decisions     both, from the validation split, and what they do on the test split
  summary       all of it for a study
  results       results.json, with what the runs' logs add
  tables        results.json as Markdown

Shape legend: N test images, K tasks, S seeds, C clusters of images (identities), R resamples.
"""

from mtl.statistics.comparison import ONE_SEED, REFERENCES, compare, compare_all
from mtl.statistics.predictions import Predictions, read_predictions
from mtl.statistics.results import write_results
from mtl.statistics.summary import describe, summarize

__all__ = [
    "ONE_SEED",
    "REFERENCES",
    "Predictions",
    "compare",
    "compare_all",
    "describe",
    "read_predictions",
    "summarize",
    "write_results",
]
