"""An existing loop with nn.Modules, in which UPGrad combines the tasks' gradients and DST drops tasks."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

import mtl

torch.manual_seed(0)
inputs = torch.randn(32, 16, 20)  # 32 batches of 16 examples
sign, total = (inputs[..., 0] > 0).float(), inputs[..., :3].sum(-1)
trunk = nn.Sequential(nn.Linear(20, 32), nn.ReLU())
heads = nn.ModuleDict({"sign": nn.Linear(32, 1), "total": nn.Linear(32, 1)})
optimizer = torch.optim.AdamW([*trunk.parameters(), *heads.parameters()], lr=0.01)


def losses_of(features: torch.Tensor, number: int | slice) -> dict[str, torch.Tensor]:
    outputs = {task: head(features).squeeze(-1) for task, head in heads.items()}
    return {
        "sign": binary_cross_entropy_with_logits(outputs["sign"], sign[number]),
        "total": mse_loss(outputs["total"], total[number]),
    }


static = mtl.dst.Static({"sign": 2, "total": 2}, {"sign": 512, "total": 512}, mtl.dst.Weights(0, 0, 0.4, 0.4, 0.2), 0.5)
method, state, schedule = mtl.methods.upgrad(), None, None
for epoch in range(1, 6):
    with torch.no_grad():
        before = {task: float(loss) for task, loss in losses_of(trunk(inputs), slice(None)).items()}
    schedule, account = mtl.dst.update(schedule, before, static)
    gates, _ = mtl.draw_gates("dst", account.P, seed=0, epoch=epoch)
    for number in range(32):
        features = trunk(inputs[number])
        losses = losses_of(features, number)
        weights, state = mtl.backward(losses, method, state, features=features, gates=gates)  # fills .grad
        optimizer.step()
        optimizer.zero_grad()
    print(f"epoch {epoch}: loss before it {sum(before.values()):.3f}, on: {', '.join(t for t in gates if gates[t])}")
