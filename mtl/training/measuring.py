"""Steps that change nothing: losses, predictions, saliency."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import vjp

from mtl.batch import Batch
from mtl.losses import task_loss
from mtl.models.model import Model, Params, apply_heads, predict
from mtl.training.step import Normalize, as_they_are

Buffers = dict[str, Tensor]


def make_loss_step(
    model: Model, normalize: Normalize = as_they_are
) -> Callable[[Params, Buffers, Batch], dict[str, Tensor]]:
    """Makes loss_step(params, buffers, batch) -> task -> loss: forward only, batch statistics, no augmentation.

    This is what DST's V is measured with; buffers are read and left as they are.

    Example:
      >>> import mtl
      >>> trunk = mtl.from_module(torch.nn.Linear(2, 3), None, torch.empty(2, 2))
      >>> model, params, buffers = mtl.make_model(trunk, {"smile": mtl.binary()})
      >>> zeros = params._replace(heads={"output": {name: 0 * value for name, value in params.heads["output"].items()}})
      >>> make_loss_step(model)(zeros, buffers, mtl.make_batch(torch.ones(1, 2), {"smile": torch.ones(1)}))  # log 2
      {'smile': tensor(0.6931)}
    """
    losses = {task: group.loss for group in model.groups.values() for task in group.tasks}

    @torch.no_grad()
    def loss_step(params: Params, buffers: Buffers, batch: Batch) -> dict[str, Tensor]:
        features, _ = model.trunk(params.trunk, buffers, normalize(batch.inputs), True)
        outputs = apply_heads(model, params.heads, features)
        return {
            task: task_loss(losses[task], outputs[task], batch.labels[task], batch.mask[task]) for task in model.tasks
        }

    return loss_step


def make_predict_step(
    model: Model, normalize: Normalize = as_they_are, mirrored: bool = False
) -> Callable[[Params, Buffers, Tensor], dict[str, Tensor]]:
    """Makes predict_step(params, buffers, inputs) -> task -> outputs [B, O], see `mtl.models.model.predict`.

    Example:
      >>> import mtl
      >>> trunk = mtl.from_module(torch.nn.Linear(2, 3), None, torch.empty(2, 2))
      >>> model, params, buffers = mtl.make_model(trunk, {"smile": mtl.binary(), "age": mtl.classes(5)})
      >>> predicted = make_predict_step(model)(params, buffers, torch.ones(4, 2))
      >>> predicted["smile"].shape, predicted["age"].shape
      (torch.Size([4, 1]), torch.Size([4, 5]))
    """

    @torch.no_grad()
    def predict_step(params: Params, buffers: Buffers, inputs: Tensor) -> dict[str, Tensor]:
        return predict(model, params, buffers, normalize(inputs), mirrored)

    return predict_step


def make_saliency_step(model: Model, normalize: Normalize = as_they_are) -> Callable[[Params, Buffers, Tensor], Tensor]:
    """Makes saliency_step(params, buffers, images_BCHW) -> [B, K, H, W]: which pixels a task's logit hangs on.

    max over channels of |d logit_k / d image| at the normalised image, with running statistics (Simonyan et al. 2014);
    of a task with several outputs it is the largest one, the class that is said.

    Example:
      >>> import mtl
      >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
      >>> trunk = mtl.from_module(net, None, torch.empty(1, 3, 4, 4))
      >>> model, params, buffers = mtl.make_model(trunk, {"smile": mtl.binary()})
      >>> make_saliency_step(model)(params, buffers, torch.ones(1, 3, 4, 4)).shape
      torch.Size([1, 1, 4, 4])
    """

    @torch.no_grad()
    def saliency_step(params: Params, buffers: Buffers, images_BCHW: Tensor) -> Tensor:
        def summed_logits_K(images: Tensor) -> Tensor:
            # With running statistics an image's logits depend on no other image, so the gradient of the sum over
            # images holds each image's own.
            features, _ = model.trunk(params.trunk, buffers, images, False)
            outputs = apply_heads(model, params.heads, features)
            return torch.stack([outputs[task].amax(1) for task in model.tasks], dim=1).sum(0)

        _, pull_back = vjp(summed_logits_K, normalize(images_BCHW))  # type: ignore[misc]  # it forgets has_aux
        one_hots_KK = torch.eye(len(model.tasks), device=images_BCHW.device)
        saliency = [pull_back(one_hot_K)[0].abs().amax(dim=1) for one_hot_K in one_hots_KK]
        return torch.stack(saliency, dim=1)

    return saliency_step
