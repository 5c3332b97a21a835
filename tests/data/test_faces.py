"""The drawn data set: official files, CelebA's label statistics and rules, and attributes that are to be seen."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl.data.celeba_statistics import read_statistics
from mtl.data.faces import write_faces
from mtl.data.faces.draw import draw_face
from mtl.data.faces.labels import (
    EXCLUDES,
    HAIR_COLOURS,
    MEN_ONLY,
    ONE_OF,
    WOMEN_ONLY,
    apply_rules,
    sample_labels,
)
from mtl.data.faces.person import sample_face
from mtl.errors import UserError

STATISTICS = read_statistics()
NAMES = STATISTICS.names
FILES = ("identity_CelebA.txt", "list_attr_celeba.txt", "list_eval_partition.txt")


def read_bytes(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def read_labels(root: Path) -> np.ndarray:
    lines = (root / "list_attr_celeba.txt").read_text().splitlines()[2:]
    return np.array([[int(word) for word in line.split()[1:]] for line in lines]) > 0


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces") / "a"
    write_faces(root, num_images=60, seed=3, num_workers=1)
    return root


@pytest.fixture(scope="module")
def rows():
    return sample_labels(20_000, seed=5)


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_are_official(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == sorted([*FILES, "img_align_celeba"])
    ids = [f"{number:06d}.jpg" for number in range(1, 61)]
    assert sorted(path.name for path in (written / "img_align_celeba").iterdir()) == ids

    attributes = (written / "list_attr_celeba.txt").read_bytes()
    lines = attributes.split(b"\r\n")
    assert lines[0] == b"60" and lines[-1] == b"" and attributes.count(b"\n") == 62
    assert lines[1].decode() == " ".join(NAMES) + " " and len(NAMES) == 40
    for name, line in zip(ids, lines[2:-1], strict=True):
        assert line.startswith(name.encode()) and len(line) == len(name) + 40 * 3
        assert {line[start : start + 3] for start in range(len(name), len(line), 3)} <= {b" -1", b"  1"}

    for file in FILES[::2]:
        pairs = [line.split(" ") for line in (written / file).read_bytes().decode().split("\r\n")[:-1]]
        assert [name for name, _ in pairs] == ids


def test_images_are_official_jpegs(written: Path) -> None:
    encoded = (written / "img_align_celeba" / "000001.jpg").read_bytes()
    with Image.open(io.BytesIO(encoded)) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (178, 218), "RGB")
        layers = [(horizontal, vertical) for _, horizontal, vertical, _ in image.layer]  # type: ignore[attr-defined]
        assert layers == [(2, 2), (1, 1), (1, 1)]  # 4:2:0
        plain = Image.new("RGB", (8, 8))
        buffer = io.BytesIO()
        plain.save(buffer, format="JPEG", quality=75)
        with Image.open(buffer) as reference:
            assert image.quantization == reference.quantization  # type: ignore[attr-defined]


def test_written_labels_are_the_sampled_ones(written: Path) -> None:
    np.testing.assert_array_equal(read_labels(written), sample_labels(60, seed=3).labels_NK)


def test_same_seed_same_bytes_whatever_the_workers(written: Path, tmp_path: Path) -> None:
    write_faces(tmp_path / "b", num_images=60, seed=3, num_workers=2)
    first, second = read_bytes(written), read_bytes(tmp_path / "b")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    write_faces(tmp_path / "c", num_images=3, seed=4)
    assert (tmp_path / "c/img_align_celeba/000001.jpg").read_bytes() != first["img_align_celeba/000001.jpg"]


def test_an_interrupted_run_leaves_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path, *_: object) -> int:
        (folder / "000001.jpg").write_bytes(b"half")
        raise KeyboardInterrupt

    root = tmp_path / "faces"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("mtl.data.faces._draw_files", fail)
        write_faces(root, num_images=3, seed=0)
    assert not root.exists()
    write_faces(root, num_images=3, seed=0)  # is not disturbed by what the first run left
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Cannot draw 2 faces"):
        write_faces(tmp_path / "a", num_images=2, seed=0)
    with pytest.raises(UserError, match=r"Label noise is 1\.5"):
        write_faces(tmp_path / "a", num_images=3, seed=0, label_noise=1.5)
    with pytest.raises(AssertionError):
        write_faces(tmp_path, num_images=3, seed=0)


def test_label_noise_flips_the_stated_fraction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtl.data.faces._draw_files", lambda *arguments: len(arguments[-1]))  # labels only
    write_faces(tmp_path / "a", num_images=500, seed=3, label_noise=0.2, num_workers=1)
    flipped = read_labels(tmp_path / "a") != sample_labels(500, seed=3).labels_NK
    assert abs(flipped.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / flipped.size)
    assert flipped.mean(axis=0).max() < 0.3 and flipped.mean(axis=0).min() > 0.1


def test_label_noise_does_not_change_pictures(tmp_path: Path) -> None:
    write_faces(tmp_path / "clean", num_images=3, seed=3)
    write_faces(tmp_path / "noisy", num_images=3, seed=3, label_noise=0.2)
    clean, noisy = read_bytes(tmp_path / "clean"), read_bytes(tmp_path / "noisy")
    assert [name for name in clean if clean[name] != noisy[name]] == ["list_attr_celeba.txt"]


# --- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_images", [3, 10, 100, 20_000])
def test_splits_are_identity_disjoint_and_about_80_10_10(num_images: int) -> None:
    rows = sample_labels(num_images, seed=0)
    people = [set(rows.identity_N[rows.split_N == split].tolist()) for split in range(3)]
    assert all(people) and not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
    assert rows.identity_N.min() == 1 and len(set().union(*people)) == rows.identity_N.max()
    if num_images >= 100:
        np.testing.assert_allclose(np.bincount(rows.split_N) / num_images, [0.8, 0.1, 0.1], atol=0.04)


def test_positive_rates_are_celebas(rows) -> None:
    rate_K = STATISTICS.positive_rate_K
    # Twice the binomial deviation, as images of a person are alike, and 0.5% for the fit of the copula.
    tolerance_K = 4 * 2 * np.sqrt(rate_K * (1 - rate_K) / len(rows.labels_NK)) + 0.005
    off_K = np.abs(rows.labels_NK.mean(axis=0) - rate_K)
    assert [name for name, bad in zip(NAMES, off_K > tolerance_K, strict=True) if bad] == []


def test_correlations_are_celebas(rows) -> None:
    below = np.tril_indices(40, -1)
    off = np.abs(np.corrcoef(rows.labels_NK.T.astype(float)) - STATISTICS.correlation_KK)[below]
    assert off.mean() < 0.015 and off.max() < 0.1
    assert np.abs(STATISTICS.correlation_KK[below]).mean() > 0.1  # so independent labels would fail


def test_hard_rules_hold(rows) -> None:
    has = {name: rows.labels_NK[:, k] for k, name in enumerate(NAMES)}
    for name, others in EXCLUDES.items():
        assert has[name].sum() > 0
        assert not any((has[name] & has[other]).any() for other in others), name
    for group in ONE_OF:
        assert sum(has[name].astype(int) for name in group).max() == 1
    assert not any((has[name] & ~has["Male"]).any() for name in MEN_ONLY)
    assert not any((has[name] & has["Male"]).any() for name in WOMEN_ONLY)
    assert (has["No_Beard"] | has["Male"]).all()


def test_rules_change_nothing_that_is_allowed() -> None:
    margin = np.full((1, 40), -1.0)
    margin[0, [NAMES.index(name) for name in ("Male", "No_Beard", "Young", "Black_Hair")]] = 0.5
    np.testing.assert_array_equal(apply_rules(margin, NAMES), margin)


def test_degrees_agree_with_labels_and_are_uniform(rows) -> None:
    np.testing.assert_array_equal(rows.degrees_NK > 0, rows.labels_NK)
    assert np.abs(rows.degrees_NK).max() < 1
    smiling = rows.degrees_NK[:, NAMES.index("Smiling")]
    quartiles = [-0.75, -0.5, -0.25, 0.25, 0.5, 0.75]
    np.testing.assert_allclose(np.quantile(smiling[smiling < 0], [0.25, 0.5, 0.75]), quartiles[:3], atol=0.03)
    np.testing.assert_allclose(np.quantile(smiling[smiling > 0], [0.25, 0.5, 0.75]), quartiles[3:], atol=0.03)


def test_permanent_attributes_belong_to_the_person(rows) -> None:
    def share_between_people(name: str) -> float:
        label_N = rows.labels_NK[:, NAMES.index(name)].astype(float)
        count_I = np.bincount(rows.identity_N)[1:]
        mean_I = np.bincount(rows.identity_N, label_N)[1:] / count_I
        return 1.0 - (count_I * mean_I * (1 - mean_I)).sum() / (label_N.var() * len(label_N))

    assert share_between_people("Male") == pytest.approx(1.0)
    assert share_between_people("Big_Nose") > 0.4
    assert share_between_people("Smiling") < 0.3


# --- pictures --------------------------------------------------------------------------------------------------------


def draw(degrees: dict[str, float], index: int) -> np.ndarray:
    return np.asarray(draw_face(sample_face(degrees, seed=0, identity=index, index=index)), dtype=float)


@pytest.mark.parametrize("name", NAMES)
def test_an_attribute_is_seen_in_the_picture(name: str) -> None:
    """With everything else the same, an attribute changes the picture, and its strength does too."""
    person = dict.fromkeys(NAMES, -0.5) | {"No_Beard": 0.5, "Young": 0.5}
    if name in (*MEN_ONLY, "No_Beard"):
        person["Male"] = 0.5
    absent, weak, strong = (draw(person | {name: degree}, 1) for degree in (-0.5, 0.2, 0.9))
    assert absent.shape == (218, 178, 3)
    assert np.abs(absent - weak).max() > 16 and np.abs(absent - strong).max() > 16
    if name not in (*HAIR_COLOURS, "No_Beard"):  # a colour, and a beard that is not there, have no strength
        assert np.abs(weak - strong).max() > 4


def test_faces_differ_in_pose_light_and_background() -> None:
    person = dict.fromkeys(NAMES, -0.5) | {"No_Beard": 0.5, "Young": 0.5}
    pictures = np.stack([draw(person, index) for index in range(8)])
    corners = pictures[:, :20, :20].mean(axis=(1, 2))  # background
    noses = pictures[:, 125:135, 84:94].mean(axis=(1, 2, 3))  # skin
    assert np.ptp(corners, axis=0).min() > 60 and np.ptp(noses) > 40
