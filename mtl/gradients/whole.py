"""From the rows of one process to the whole batch.

A task's loss is its mean over the labelled rows of the whole batch, so a process counts by how many of them it has:
L = sum_r (n_r / n) L_r  for n labels, n_r of them at process r. Gradients at the heads sum up alike. Those at the
features do not: each process keeps those of its rows.
"""

from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from mtl.gradients.parameters import Pulled
from mtl.gradients.per_task import TaskGradients, scale
from mtl.world import World


def of_whole_batch(
    world: World, losses: dict[str, Tensor], gradients: TaskGradients, mask: dict[str, Tensor], whole_mask_BK: Tensor
) -> tuple[dict[str, Tensor], TaskGradients]:
    """Losses of the whole batch and their gradients, from those of this process's rows.

    Args:
      losses, gradients: of this process's rows, as means over those that are labelled.
      mask: task -> which of its rows are labelled, in the order of the columns of the whole batch's.
      whole_mask_BK: of the whole batch.

    Returns:
      (losses, gradients); those at the features for this process's rows alone.

    Example:
      >>> import torch
      >>> from mtl.world import ALONE
      >>> other = 6.0  # of 3 labels here, whose mean is 2, and another process's one, whose loss is 6
      >>> two = ALONE._replace(size=2, sum=lambda tensors: [tensor + other / 4.0 for tensor in tensors])
      >>> gradients = TaskGradients({"age": {}}, {"age": torch.ones(3, 1)})
      >>> mask, whole_mask_BK = {"age": torch.ones(3)}, torch.ones(4, 1)
      >>> losses, gradients = of_whole_batch(two, {"age": torch.tensor(2.0)}, gradients, mask, whole_mask_BK)
      >>> losses["age"], gradients.features["age"].tolist()
      (tensor(3.), [[0.75], [0.75], [0.75]])
    """
    if world.size == 1:
        return losses, gradients
    whole_K = whole_mask_BK.sum(0).clamp(min=1.0)
    shares = {task: mask[task].sum().clamp(min=1.0) / whole for task, whole in zip(losses, whole_K, strict=True)}
    leaves, spec = tree_flatten((scale(losses, shares), scale(gradients.heads, shares)))
    losses, heads = tree_unflatten(world.sum(leaves), spec)
    return losses, TaskGradients(heads, scale(gradients.features, shares))


def sum_pulled(world: World, pulled: Pulled) -> Pulled:
    """Gradients at the parameters of the whole batch, from those that each process pulled back from its rows.

    Example:
      >>> import torch
      >>> from mtl.world import ALONE
      >>> two = ALONE._replace(size=2, sum=lambda tensors: [2.0 * tensor for tensor in tensors])
      >>> sum_pulled(two, Pulled(torch.ones(1, 2), {"weight": torch.zeros(2)}, {})).whole_AN
      tensor([[2., 2.]])
    """
    if world.size == 1:
        return pulled
    assert not pulled.outer, "a sum of products is not a product of sums"
    return pulled._replace(whole_AN=world.sum([pulled.whole_AN])[0])
