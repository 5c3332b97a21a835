"""What a model card says of the data: licence, noise of the labels, bias, what the network is for."""

from collections.abc import Sequence
from typing import NamedTuple

from mtl.data.published import FAULTS, OFFICIAL_SPLIT, PUBLISHED

DRAWN_FACES = ("faces", "drawn")  # sources
ALIGNED = (*DRAWN_FACES, "celeba")
OTHER_FACES = ("fairface", "utkface", "mtfl")  # cut out in another way
CELEBA = "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"


class Facts(NamedTuple):
    """Of one source of data.

    Attributes:
      title: what the network was trained on, in two or three words.
      front: lines of the card's front matter that say the licence.
      data, limits, use: paragraphs.
      faces: whether the images show faces.
    """

    title: str
    front: tuple[str, ...]
    data: str
    limits: str
    use: str
    faces: bool = True


def facts_on(source: str, tasks: Sequence[str], num_images: dict[str, int]) -> Facts:
    """The facts on a run's data.

    Args:
      source: `data.name` of the configuration.
      tasks: names of the binary attributes.
      num_images: of each split.

    Example:
      >>> facts_on("faces", ["Smiling"], {"train": 80, "valid": 10, "test": 10}).title
      'drawn faces'
    """
    if source in DRAWN_FACES:
        return DRAWN
    if source not in ALIGNED:
        return TABLE._replace(faces=source in OTHER_FACES)
    if not {*tasks} <= PUBLISHED.keys():
        return OWN
    split = (
        "The split is the official one."
        if num_images == OFFICIAL_SPLIT
        else "This is **not the official data and split** of 162,770 / 19,867 / 19,962 images, so scores cannot be "
        "compared with published ones."
    )
    return CELEBA_FACTS._replace(data=f"{CELEBA_FACTS.data} {split}", limits=f"{CELEBA_FACTS.limits}{_faults(tasks)}")


def in_plain_words(trained_on: object) -> tuple[str, str]:
    """(what a network must not be used on, "" if nothing is known; what it is not for), without a card's markup.

    Args:
      trained_on: what config.json of a model folder says of its data, if anything.

    Example:
      >>> in_plain_words("faces")[0]
      'What is learnt of drawings says nothing about photographs: do not use this network on photographs.'
    """
    limits = DRAWN.limits.replace("**", "") if trained_on in DRAWN_FACES else ""
    return limits, NOT_FOR.replace("`", "") if shows_faces(trained_on) or trained_on in OTHER_FACES else ""


def shows_faces(trained_on: object) -> bool:
    """Whether a network was trained on aligned faces, for all that its config.json says; an older one says nothing.

    Example:
      >>> shows_faces("celeba"), shows_faces("table")
      (True, False)
    """
    return trained_on in (*ALIGNED, None)


def _faults(tasks: Sequence[str]) -> str:
    found = [f"{task} ({FAULTS[task]})" for task in tasks if task in FAULTS]
    return f" Of the attributes here, known faults have {', '.join(found)}." if found else ""


NOT_FOR = (
    "Not for identifying, selecting, judging or watching people, nor for any decision about a person: an attribute is "
    "what annotators saw in one picture, `Male` and `Young` included, and says nothing of who the person is."
)
CELEBA_FACTS = Facts(
    title="CelebA",
    front=("license: other", "license_name: celeba-non-commercial-research-only", f"license_link: {CELEBA}"),
    data=f"[CelebA]({CELEBA}) (Liu et al. 2015): photographs of celebrities from the web, aligned and cut out, "
    "with binary attributes. **Its licence allows non-commercial research only**, and this network, which was trained "
    "on it, is meant for nothing else. No image and no label of it is in this folder.",
    limits="**The labels are noisy**: where two annotators labelled anew, they agreed in at least 95% of the images on "
    "only 12 of the 40 attributes (Wu et al. 2023, arXiv 2210.07356), and scores measure agreement with such labels.",
    use="The people are celebrities: of all CelebA's images 77% are labelled `Young`, 42% `Male`, 39% `Heavy_Makeup`, "
    "and 2% `Bald`, 4% `Mustache`, 4% `Pale_Skin`. Attributes go together as they do there (`Heavy_Makeup` hardly ever "
    "with `Male`), and a network learns that too. The data do not say of which origin or age people are, so **how "
    "scores differ between groups of people was not measured**; expect them to be worse for those whom CelebA seldom "
    "shows.",
)
DRAWN = Facts(
    title="drawn faces",
    front=("license: mit",),
    data="**The faces are drawn by a program** (mtl/data/faces), with labels that it knows. They show no person.",
    limits="What is learnt of drawings says nothing about photographs: **do not use this network on photographs**.",
    use="How often attributes occur and go together follows CelebA's labels, so the drawings have CelebA's bias "
    "(`Heavy_Makeup` with not `Male`).",
)
OWN = Facts(
    title="data of its own",
    front=("license: unknown",),
    data="Images and labels in the format of CelebA's files, whose attributes are not CelebA's. Their licence is not "
    "known here: it also governs this network.",
    limits="How reliable the labels are is not known here; scores measure agreement with them.",
    use="What bias the data have, and how scores differ between groups of people, was not measured.",
)
TABLE = OWN._replace(
    data="Images and labels of a table of its own. Their licence is not known here: it also governs this network.",
    use="What bias the data have, and how scores differ between groups, was not measured.",
    faces=False,
)
