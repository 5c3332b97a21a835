"""How a study's tasks, images and scores are called: CelebA's are attributes of faces, a table's tasks of images."""

from typing import NamedTuple

from mtl.record.reading import StudyRecord
from mtl.statistics.score_table import main

FACES = ("faces", "celeba")  # sources of faces


class Terms(NamedTuple):
    """Words, in the singular.

    Attributes:
      score: the name in results.json of the score that all tasks have; it is its word too.
      task: "attribute" or "task".
      image: "face" or "image".
    """

    score: str
    task: str
    image: str


def terms(study: StudyRecord) -> Terms:
    """The words for a study."""
    of_faces = has_faces(study) and has_binary_alone(study)
    words = ("attribute", "face") if of_faces else ("task", "image")
    return Terms(main_score(study), *words)


def main_score(study: StudyRecord) -> str:
    """The score that all tasks have."""
    return main(study.results)


def in_terms(study: StudyRecord, text: str) -> str:
    """A text on attributes of faces, said of a table's tasks and images where the study is about these."""
    called = terms(study)
    return text if called.image == "face" else text.replace("attribute", called.task).replace("face", called.image)


def has_faces(study: StudyRecord) -> bool:
    """Whether its images are known to show faces."""
    return study.config["config"]["data"]["name"] in FACES


def has_binary_alone(study: StudyRecord) -> bool:
    """Whether every task is a question of yes or no."""
    return all(kind["name"] == "binary" for kind in study.results.get("kinds", []))


def tasks_of(study: StudyRecord, kind: str) -> list[str]:
    """The tasks of a kind, "binary", "classes" or "regression"."""
    tasks = study.results["tasks"]
    kinds = study.results.get("kinds", [{"name": "binary"}] * len(tasks))
    return [task for task, each in zip(tasks, kinds, strict=True) if each["name"] == kind]
