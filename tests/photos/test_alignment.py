"""From landmarks to crops, without any detector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl.photos.alignment import HEIGHT, LANDMARKS_52, WEIGHTS_5, WIDTH, fit_similarity, invert, warp
from mtl.photos.crops import align_face

ALL_5 = np.ones(5)
IDENTITY = np.eye(2, 3)
few = settings(max_examples=25, deadline=None, derandomize=True)


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    turn_22 = scale * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return np.column_stack([turn_22, shift])


def move(matrix_23: np.ndarray, points_P2: np.ndarray) -> np.ndarray:
    return points_P2 @ matrix_23[:, :2].T + matrix_23[:, 2]


def smooth_picture(height: int, width: int) -> np.ndarray:
    """Waves in x and y, another in each channel: what bilinear sampling hardly changes."""
    y_H1, x_1W = np.mgrid[:height, :1][0] / 17.0, np.mgrid[:1, :width][1] / 13.0
    waves = [np.sin(x_1W + number) + np.cos(y_H1 * (1 + 0.2 * number)) for number in range(3)]
    return (127.5 + 60.0 * np.stack(waves, axis=-1)).astype(np.uint8)


@few
@given(st.floats(0.05, 20), st.floats(-180, 180), st.floats(-500, 500), st.floats(-500, 500))
def test_a_similarity_is_found_again(scale: float, degrees: float, x: float, y: float) -> None:
    matrix_23 = similarity(scale, degrees, (x, y))
    found_23 = fit_similarity(LANDMARKS_52, move(matrix_23, LANDMARKS_52), WEIGHTS_5)
    np.testing.assert_allclose(found_23, matrix_23, atol=1e-6 * (1 + scale))
    np.testing.assert_allclose(invert(invert(found_23)), found_23, atol=1e-6 * (1 + scale))


@few
@given(st.integers(0, 10_000))
def test_no_similarity_near_it_fits_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source_52, target_52, weights_5 = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), rng.uniform(0.1, 1, 5)

    def error(matrix_23: np.ndarray) -> float:
        return float(weights_5 @ ((move(matrix_23, source_52) - target_52) ** 2).sum(axis=1))

    best_23 = fit_similarity(source_52, target_52, weights_5)
    assert best_23[0, 0] == pytest.approx(best_23[1, 1]) and best_23[0, 1] == pytest.approx(-best_23[1, 0])
    for change in np.eye(4):
        a, b, x, y = change * 0.01
        other_23 = best_23 + np.array([(a, -b, x), (b, a, y)])
        assert error(best_23) <= error(other_23) + 1e-12


def test_points_without_weight_do_not_count_and_a_mirrored_face_is_not_mirrored_back() -> None:
    target_52 = LANDMARKS_52.copy()
    target_52[2] += 30
    np.testing.assert_allclose(fit_similarity(LANDMARKS_52, target_52, np.array([1, 1, 0, 1, 1])), IDENTITY, atol=1e-9)
    assert np.linalg.det(fit_similarity(LANDMARKS_52 * (-1, 1), LANDMARKS_52, ALL_5)[:, :2]) > 0


def test_the_mean_face_stays_as_it_is_to_the_bit() -> None:
    aligned_HWC = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    np.testing.assert_array_equal(align_face(aligned_HWC, LANDMARKS_52), aligned_HWC)


@pytest.mark.parametrize(("scale", "degrees"), [(0.5, 17.0), (1.0, -90.0), (2.5, 0.0), (2.5, 180.0)])
def test_a_face_anywhere_in_a_photo_comes_back(scale: float, degrees: float) -> None:
    aligned_HWC = smooth_picture(HEIGHT, WIDTH)
    middle_2 = np.array([350.0, 380.0])
    to_photo_23 = similarity(scale, degrees, (0.0, 0.0))
    to_photo_23[:, 2] = middle_2 - to_photo_23[:, :2] @ (WIDTH / 2, HEIGHT / 2)
    photo_HWC = warp(aligned_HWC, to_photo_23, width=700, height=760)
    back_HWC = align_face(photo_HWC, move(to_photo_23, LANDMARKS_52))
    differences = np.abs(back_HWC.astype(int) - aligned_HWC)
    assert differences.mean() < 2.0
    assert np.percentile(differences, 99) < 12


def test_beyond_the_border_its_pixels_go_on() -> None:
    photo_HWC = smooth_picture(40, 50)
    moved_HWC = warp(photo_HWC, similarity(1.0, 0.0, (30.0, 20.0)), width=100, height=90)
    padded_HWC = np.pad(photo_HWC, ((20, 30), (30, 20), (0, 0)), mode="edge")
    np.testing.assert_array_equal(moved_HWC, padded_HWC)


def test_what_lies_far_outside_is_the_nearest_border() -> None:
    photo_HWC = smooth_picture(40, 50)
    moved_HWC = warp(photo_HWC, similarity(1.0, 0.0, (-500.0, 0.0)), width=3, height=40)
    np.testing.assert_array_equal(moved_HWC, np.repeat(photo_HWC[:, -1:], 3, axis=1))


def test_shrinking_takes_the_mean_and_not_single_pixels() -> None:
    stripes_HWC = np.zeros((400, 400, 3), dtype=np.uint8)
    stripes_HWC[:, ::2] = 200
    small_HWC = warp(stripes_HWC, similarity(0.1, 0.0, (0.0, 0.0)), width=40, height=40)
    assert np.abs(small_HWC[2:-2, 2:-2].astype(int) - 100).max() <= 2


def test_many_pixels_beside_a_face_change_nothing() -> None:
    photo_HWC = smooth_picture(300, 300)
    landmarks_52 = LANDMARKS_52 * 0.5 + 60
    padded_HWC = np.pad(photo_HWC, ((700, 500), (400, 900), (0, 0)), mode="edge")
    alone_HWC = align_face(photo_HWC, landmarks_52)
    in_padded_HWC = align_face(padded_HWC, landmarks_52 + np.array([400, 700]))
    np.testing.assert_allclose(in_padded_HWC.astype(int), alone_HWC, atol=1)  # rounding
