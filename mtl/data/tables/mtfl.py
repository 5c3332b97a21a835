"""MTFL's files: 12,995 faces from AFLW and the web with five landmarks, gender, smile, glasses and pose.

Layout: training.txt and testing.txt with a line per image: its path (lfw_5590\\Aaron_Eckhart_0001.jpg), x of left
eye, right eye, nose, left and right corner of the mouth, then y of the same, in pixels, then gender (1 male, 2 female),
smile (1 smiling, 2 not), glasses (1 with, 2 without) and pose (1 left profile, 2 left, 3 frontal, 4 right, 5 right
profile).
So says the readme.txt that comes with the files (Multi-Task Facial Landmark dataset v1.0, 2014), read in the copy of
vyom1911/Facial-Landmark-Detection beside its training.txt; 2026.

A landmark is a share of its image's width or height: images have different sizes, and a network sees them in one. They
are those of what the network sees where images are square, or with data.crop=full. testing.txt is the test split;
validation images are drawn from those of training.txt.

Source: Zhang, Luo, Loy and Tang, ECCV 2014, Facial landmark detection by deep multi-task learning; a set of the paper
of DST (Malhotra, Vatsa and Singh, TMLR 2023)
"""

from pathlib import Path

from PIL import Image

from mtl.data.decoding import FORMATS
from mtl.data.tables.text import TextTable
from mtl.errors import UserError

LISTS = {"train": "training.txt", "test": "testing.txt"}
POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
LANDMARKS = (*(f"{point}_x" for point in POINTS), *(f"{point}_y" for point in POINTS))
POSES = ("left profile", "left", "frontal", "right", "right profile")
CODES = {
    "gender": {"1": "male", "2": "female"},
    "smile": {"1": "yes", "2": "no"},
    "glasses": {"1": "yes", "2": "no"},
    "pose": {str(number): name for number, name in enumerate(POSES, 1)},
}
TASKS = (
    *("gender=binary:male|female", "smile=binary", "glasses=binary", f"pose=classes:{'|'.join(POSES)}"),
    *(f"{landmark}=regression" for landmark in LANDMARKS),
)
NAMES = ("file", *LANDMARKS, *CODES)


def read_mtfl(root: Path) -> TextTable:
    """The rows of both lists.

    Raises:
      UserError: if a list is not there, or a line is not of that form.
    """
    rows = [(*row, split) for split, name in LISTS.items() for row in _read_list(root, name)]
    cells = [list(column) for column in zip(*rows, strict=True)]
    columns = dict(zip((*NAMES, "split"), cells, strict=True))
    return TextTable(root, (root,), columns, image="file", split="split", tasks=TASKS, mirrored_alike=False)


def _read_list(root: Path, name: str) -> list[list[str]]:
    path = root / name
    if not path.is_file():
        raise UserError(f"{path} is not there: set root to the folder of MTFL's training.txt and testing.txt", "root")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [_read_line(root, path, number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]


def _read_line(root: Path, path: Path, number: int, fields: list[str]) -> list[str]:
    if len(fields) != len(NAMES):
        raise UserError(f"line {number} of {path} has {len(fields)} fields, where {len(NAMES)} should be")
    file = fields[0].replace("\\", "/")
    points, attributes = fields[1 : 1 + len(LANDMARKS)], fields[1 + len(LANDMARKS) :]
    names = [codes.get(code, "") for codes, code in zip(CODES.values(), attributes, strict=True)]
    return [file, *_shares(root / file, points), *names]


def _shares(image: Path, points: list[str]) -> list[str]:
    """The landmarks as shares of width and height, with as many digits as a hundredth of a pixel needs."""
    try:
        if not image.is_file():  # a pipe, which would never end, or a device
            return points
        with Image.open(image, formats=FORMATS) as file:  # reads no more than its size
            width, height = file.size
        sizes = [width] * len(POINTS) + [height] * len(POINTS)
        return [f"{float(point) / size:.6f}" for point, size in zip(points, sizes, strict=True)]
    except (OSError, ValueError):  # whatever is wrong with an image or a number is said where all are read
        return points
