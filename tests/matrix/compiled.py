"""Scripts that compile what they train, in the ways in which people do.

Each leaves its weights in `weights.pt`, and in `graphs` what the compiler counted.
"""

from tests.matrix.scripts import BEGIN

_BEGIN = (
    BEGIN
    + """
import json
from torch._dynamo.utils import counters
def count():
    kinds = ("stats", "frames", "graph_break", "recompiles")
    with open("graphs", "w") as file:
        json.dump({kind: counters[kind] for kind in kinds}, file)
"""
)

_LOOP = """
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(15):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
count()
finish(model)
"""

SCRIPTS = {
    "the whole model": _BEGIN + "model = torch.compile(net())" + _LOOP,
    "in one graph": _BEGIN
    + 'model = torch.compile(net(), fullgraph=True, backend="aot_eager")'
    + _LOOP,
    "with less overhead": _BEGIN + 'model = torch.compile(net(), mode="reduce-overhead")' + _LOOP,
    "by its own method": _BEGIN
    + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(64, 32), nn.Linear(32, 10)
    def forward(self, x):
        return self.two(F.relu(self.one(x)))
model = Net()
model.compile(fullgraph=True, backend="aot_eager")
"""
    + _LOOP,
    "region by region": _BEGIN
    + """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32))
    def forward(self, x):
        return x + self.body(x)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), Block(), Block(), nn.Linear(32, 10))
for at in (2, 3):
    model[at] = torch.compile(model[at], fullgraph=True, backend="aot_eager")
"""
    + _LOOP,
    "modules made in one graph": _BEGIN
    + """
class Fresh(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(64, 32), nn.Linear(32, 10)
    def forward(self, x):
        return self.two(nn.Sequential(nn.ReLU())(self.one(x)))
model = torch.compile(Fresh(), fullgraph=True, backend="aot_eager")
"""
    + _LOOP,
    "several sizes": _BEGIN
    + """
model = torch.compile(net(), backend="aot_eager")
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for at, (x, y) in enumerate(batches(15)):
    x, y = x[: 64 - at % 3], y[: 64 - at % 3]
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
count()
finish(model)
""",
    "the update": _BEGIN
    + """
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=torch.tensor(1e-3))
update = torch.compile(lambda: optimizer.step(), backend="aot_eager")
for x, y in batches(15):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    update()
count()
finish(model)
""",
    "the whole step": _BEGIN
    + """
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
@torch.compile(backend="aot_eager")
def step(x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
for x, y in batches(15):
    step(x, y)
count()
finish(model)
""",
}
