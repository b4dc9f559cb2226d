"""Compiled trainings of a network that is born dead.

Each leaves in `graphs` what the compiler counted.
"""

from tests.healing.scripts import NET

_BEGIN = (
    NET
    + """
import json
from torch._dynamo.utils import counters

rate = torch.tensor(0.01)
optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
ran = []
def backend(graph, inputs):
    def run(*arguments):
        ran[-1] += 1
        return graph(*arguments)
    return run
"""
)

_TRAIN = """
for step in range(128):
    x = torch.randn(32, 8)
    ran.append(0)
    loss = train(x, (x @ truth).tanh())
kinds = ("stats", "frames", "graph_break", "recompiles")
with open("graphs", "w") as file:
    json.dump({kind: counters[kind] for kind in kinds}, file)
with open("ran", "w") as file:
    json.dump(ran, file)
print(loss.item(), rate.item())
"""

_STEP = """
def train(x, y):
    optimizer.zero_grad()
    loss = (model(x) - y).square().mean()
    loss.backward()
    update()
    return loss
update = optimizer.step
"""

SCRIPTS = {
    "the model": _BEGIN + _STEP + "model = torch.compile(model, backend=backend)" + _TRAIN,
    "the update": _BEGIN
    + _STEP
    + "update = torch.compile(lambda: optimizer.step(), backend=backend)"
    + _TRAIN,
    "the whole step": _BEGIN + _STEP + "train = torch.compile(train, backend=backend)" + _TRAIN,
}
