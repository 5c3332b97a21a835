"""A face is brought to where faces are in CelebA's aligned images, by the similarity that fits its landmarks best."""

import numpy as np
import torch
from torch.nn import functional as F

WIDTH, HEIGHT = 178, 218  # of an aligned image
# Left eye, right eye, nose, left and right corner of the mouth of the mean face, as find_faces() sees it: the mean over
# 399 aligned training images. By CelebA's own list it is (69.4, 111.3), (107.7, 111.0), (88.0, 135.0), (72.0, 152.2),
# (105.4, 152.0), in coordinates that count from the middle of the first pixel.
LANDMARKS_52 = np.array([(69.7, 111.7), (108.5, 111.8), (89.1, 135.7), (71.6, 153.2), (106.3, 153.2)])
WEIGHTS_5 = np.array([1.0, 1.0, 0.0, 0.5, 0.5])  # of those tried, they leave aligned images nearest to where they are


def fit_similarity(source_P2: np.ndarray, target_P2: np.ndarray, weights_P: np.ndarray) -> np.ndarray:
    """The similarity x -> s R x + t that minimises sum_p w_p |s R source_p + t - target_p|^2.

    With A = sum_p w_p (target_p - target mean)(source_p - source mean)^T = U S V^T and D = diag(1, det(U V^T)):
    R = U D V^T, s = tr(S D) / sum_p w_p |source_p - source mean|^2, t = target mean - s R source mean.

    Source: Umeyama 1991, Least-Squares Estimation of Transformation Parameters Between Two Point Patterns, (40)-(43)

    Args:
      source_P2: points, not all the same.
      target_P2: where they should be.
      weights_P: how much each counts, at least 0.

    Returns:
      [2, 3]: s R, and t as the last column.

    Example:
      >>> source = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
      >>> turned = np.array([(5.0, 5.0), (5.0, 7.0), (3.0, 5.0)])  # by a quarter, and twice as large
      >>> fit_similarity(source, turned, np.ones(3)).round(9) + 0.0
      array([[ 0., -2.,  5.],
             [ 2.,  0.,  5.]])
    """
    share_P = weights_P / weights_P.sum()
    source_mean_2, target_mean_2 = share_P @ source_P2, share_P @ target_P2
    source_P2, target_P2 = source_P2 - source_mean_2, target_P2 - target_mean_2
    spread = float(share_P @ (source_P2**2).sum(axis=1))
    assert spread > 0, "all points are the same"
    left_22, singular_2, right_22 = np.linalg.svd((share_P[:, None] * target_P2).T @ source_P2)
    signs_2 = np.array([1.0, np.sign(np.linalg.det(left_22 @ right_22))])  # no reflection
    turn_22 = (left_22 * signs_2) @ right_22 * (singular_2 @ signs_2) / spread
    return np.column_stack([turn_22, target_mean_2 - turn_22 @ source_mean_2])


def invert(matrix_23: np.ndarray) -> np.ndarray:
    """The similarity that leads back.

    Example:
      >>> invert(np.array([[2.0, 0.0, 4.0], [0.0, 2.0, 6.0]]))
      array([[ 0.5,  0. , -2. ],
             [ 0. ,  0.5, -3. ]])
    """
    back_22 = np.linalg.inv(matrix_23[:, :2])
    return np.column_stack([back_22, -back_22 @ matrix_23[:, 2]])


def warp(photo_HWC: np.ndarray, matrix_23: np.ndarray, width: int, height: int) -> np.ndarray:
    """What a similarity makes of a photo, bilinear, and shrunk before where it makes it smaller.

    Args:
      photo_HWC: uint8.
      matrix_23: from the photo's coordinates to those of the result; the middle of the first pixel is (0.5, 0.5).
      width: of the result.
      height: of the result.

    Returns:
      [height, width, 3] uint8. Beyond the photo's border its last pixels go on.

    Example:
      >>> photo = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
      >>> one_to_the_right = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
      >>> warp(photo, one_to_the_right, width=2, height=2)[0].tolist()
      [[0, 1, 2], [0, 1, 2]]
    """
    back_23 = invert(matrix_23)
    step = max(float(np.sqrt(np.linalg.det(back_23[:, :2]))), 1.0)  # pixels of the photo for one of the result
    part_HWC, start_2 = _cut(photo_HWC, back_23, width, height, margin=2.0 * step)
    part_1CHW = torch.from_numpy(part_HWC.copy()).permute(2, 0, 1)[None].float()
    size = [max(round(side / step), 1) for side in part_HWC.shape[:2]]
    small_1CHW = F.interpolate(part_1CHW, size=size, mode="bilinear", antialias=True) if step > 1.0 else part_1CHW
    rows_HW, columns_HW = np.mgrid[:height, :width] + 0.5
    places_HW2 = np.stack([columns_HW, rows_HW], axis=-1) @ back_23[:, :2].T + back_23[:, 2] - start_2
    grid_HW2 = torch.from_numpy(2.0 * places_HW2 / part_HWC.shape[1::-1] - 1.0).float()
    result_1CHW = F.grid_sample(small_1CHW, grid_HW2[None], padding_mode="border", align_corners=False)
    return np.ascontiguousarray(result_1CHW[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy())


def _cut(
    photo_HWC: np.ndarray, back_23: np.ndarray, width: int, height: int, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """The part of the photo that the result shows, and where it starts; a large photo holds many pixels beside it."""
    corners_42 = np.array([(0, 0), (width, 0), (0, height), (width, height)]) @ back_23[:, :2].T + back_23[:, 2]
    sides_2 = np.array(photo_HWC.shape[1::-1])
    low_2 = np.clip(np.floor(corners_42.min(axis=0) - margin), 0, sides_2 - 1).astype(int)
    high_2 = np.clip(np.ceil(corners_42.max(axis=0) + margin), low_2 + 1, sides_2).astype(int)
    return photo_HWC[low_2[1] : high_2[1], low_2[0] : high_2[0]], low_2
