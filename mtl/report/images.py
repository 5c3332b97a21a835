"""What the images of a study are, as far as its files say it."""

from mtl.data.published import NUM_IMAGES, PUBLISHED
from mtl.record.paths import RESULTS
from mtl.record.reading import StudyRecord
from mtl.report.quote import quote
from mtl.report.terms import has_faces

DRAWN, CELEBA, OTHER = "drawn", "celeba", "other"


def kind(study: StudyRecord) -> str:
    """`DRAWN`; `CELEBA`, for as many images as it has and attributes that it has; or `OTHER`.

    `data.name` = "celeba" names a format of files, so it does not say which photographs are in them.
    """
    if study.config["config"]["data"]["name"] in ("faces", "drawn"):
        return DRAWN
    all_images = sum(study.results["split_sizes"].values()) == NUM_IMAGES
    return CELEBA if all_images and {*study.results["tasks"]} <= {*PUBLISHED} else OTHER


def described(study: StudyRecord) -> str:
    """A sentence of markup on what the images are."""
    number = quote(study, RESULTS, "split_sizes/train", "integer")
    if kind(study) != DRAWN and not has_faces(study):
        return ""
    return {
        DRAWN: "The faces are *drawn by a program*, not photographs: the figures show that the system works, no more.",
        CELEBA: "The images are those of CelebA, all of them.",
        OTHER: f"The images are *in CelebA's file format*, {number} of them for training; the files do not say whose "
        "photographs they are, and scores are not comparable with published ones.",
    }[kind(study)]
