"""Task losses: one scalar per task, over the images whose label is known.

Shape legend: B images.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def masked_binary_cross_entropy(logits_B: Tensor, labels_B: Tensor, mask_B: Tensor) -> Tensor:
    """Mean binary cross-entropy of one task over the images that are labelled for it.

    L = sum_b m_b [softplus(z_b) - y_b z_b] / max(1, sum_b m_b)

    A batch without a label of the task gives L = 0 and a gradient of zero.

    Args:
      logits_B: [B] float, z.
      labels_B: [B] float, y: 1 where the attribute is present, else 0.
      mask_B: [B] float, m: 1 where the label is known, else 0.

    Returns:
      [] float: the loss in nats per labelled image.

    Example:
      >>> one = torch.ones(2)
      >>> masked_binary_cross_entropy(torch.zeros(2), one, one)
      tensor(0.6931)
    """
    losses_B = binary_cross_entropy_with_logits(logits_B, labels_B, reduction="none")
    return torch.sum(mask_B * losses_B) / torch.clamp(torch.sum(mask_B), min=1.0)
