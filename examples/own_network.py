"""A network and a loss of your own, tasks of three kinds, a balancing method, DST: one pure step."""

import torch
from torch import Tensor, nn

import mtl


def log_cosh(outputs_BO: Tensor, labels_B: Tensor) -> Tensor:
    return (outputs_BO[:, 0] - labels_B).cosh().log()


torch.manual_seed(0)
inputs = torch.randn(512, 20)
labels = {"sign": (inputs[:, 0] > 0).float(), "largest": inputs[:, :10].argmax(1), "total": inputs[:, :3].sum(1)}
tasks = {"sign": mtl.binary(), "largest": mtl.classes(10), "total": mtl.Task(1, log_cosh, positive=True)}

net = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1))
model, params, buffers = mtl.make_model(mtl.from_module(net, None, inputs[:2]), tasks)
method, optimizer = mtl.methods.cagrad(), mtl.adamw()
state = mtl.init_state(model, params, buffers, optimizer, method)
step = mtl.make_train_step(model, optimizer, mtl.make_schedule("cosine", 0.02, 80, 5), method)
step = mtl.maybe_compile(step, "auto", inputs.device)  # "auto" compiles on a GPU, "on" everywhere

loss_step, everything = mtl.make_loss_step(model), mtl.make_batch(inputs, labels)
static = mtl.dst.Static(model.depths, dict.fromkeys(tasks, 512), mtl.dst.Weights(0, 0, 0.4, 0.4, 0.2), beta=0.5)
schedule = None
for epoch in range(1, 11):
    before = {task: float(loss) for task, loss in loss_step(state.params, state.buffers, everything).items()}
    schedule, account = mtl.dst.update(schedule, before, static)
    on, _ = mtl.draw_gates("dst", account.P, seed=0, epoch=epoch)
    gates = mtl.make_gates(on)
    for number, rows in enumerate(torch.randperm(512).split(64)):
        batch = mtl.make_batch(inputs[rows], {task: each[rows] for task, each in labels.items()}, None, number, epoch)
        state, metrics = step(state, batch, gates)
    print(f"epoch {epoch}: loss before it {sum(before.values()):.3f}, on: {', '.join(t for t in on if on[t])}")
