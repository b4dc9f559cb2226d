"""Scripts as people write them, each with something in it that an observer can stumble over.

Every one trains on scikit-learn's handwritten digits, and leaves its weights in `weights.pt` and
the state of the random numbers in its output. Where torch's default device is another, it trains
there. `sites` is what is to be seen: the name of each
site, and the layer that feeds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

BEGIN = """
import torch
from torch import nn
from torch.nn import functional as F
from sklearn.datasets import load_digits
DEVICE = torch.get_default_device().type
torch.manual_seed(0)
digits = load_digits()
X = torch.tensor(digits.data, dtype=torch.float32) / 16
Y = torch.tensor(digits.target)
def batches(steps, size=64):
    for _ in range(steps):
        chosen = torch.randint(len(X), (size,))
        yield X[chosen], Y[chosen]
def net(act=nn.ReLU):
    return nn.Sequential(nn.Linear(64, 32), act(), nn.Linear(32, 32), act(), nn.Linear(32, 10))
def finish(*models):
    weights = {f"{at} {k}": v for at, m in enumerate(models) for k, v in m.state_dict().items()}
    torch.save(weights, "weights.pt")
    print(torch.get_rng_state().sum().item(), torch.rand(2).tolist())
"""

PLAIN = {"1:relu": "0", "3:relu": "2"}


@dataclass(frozen=True)
class Script:
    """One script, and what is to be seen of it.

    `sites` maps names to feeding layers; `inputs` is how many examples the first site was given
    in each step that was observed, and `values` the same for each unit; `steps` counts the steps.
    """

    body: str
    sites: Mapping[str, str | None] = field(default_factory=lambda: dict(PLAIN))
    inputs: int | None = 64
    steps: int = 12

    @property
    def source(self) -> str:
        """The whole script."""
        return BEGIN + self.body


_BY_HAND = """
model = net()
for x, y in batches(12):
    loss = F.cross_entropy(model(x), y)
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for weight in model.parameters():
            weight -= 0.1 * weight.grad
    print(loss.item())
finish(model)
"""

SCRIPTS = {
    "autocast": Script("""
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    with torch.autocast(DEVICE, torch.bfloat16):
        loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
"""),
    "scaler": Script("""
model = net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler(DEVICE, init_scale=2.0**19, growth_interval=3)
for x, y in batches(12):
    optimizer.zero_grad()
    with torch.autocast(DEVICE, torch.float16):
        loss = F.cross_entropy(model(x), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    print(loss.item(), scaler.get_scale())
finish(model)
"""),
    "fused scaler": Script("""
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
scaler = torch.amp.GradScaler(DEVICE, init_scale=2.0**19, growth_interval=3)
for x, y in batches(12):
    optimizer.zero_grad()
    with torch.autocast(DEVICE, torch.float16):
        loss = F.cross_entropy(model(x), y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    print(loss.item(), scaler.get_scale())
finish(model)
"""),
    "checkpointing": Script("""
from torch.utils.checkpoint import checkpoint
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    h = checkpoint(model[:2], x, use_reentrant=False)
    h = checkpoint(lambda h: model[4](model[3](model[2](h))), h, use_reentrant=False)
    loss = F.cross_entropy(h, y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
"""),
    "accumulation": Script(
        """
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for at, (x, y) in enumerate(batches(36)):
    loss = F.cross_entropy(model(x), y) / 3
    loss.backward()
    if at % 3 == 2:
        optimizer.step()
        optimizer.zero_grad()
    print(loss.item())
finish(model)
""",
        inputs=192,
    ),
    "gan": Script(
        """
judge = nn.Sequential(nn.Linear(64, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
maker = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64))
one, two = (torch.optim.Adam(m.parameters(), lr=2e-4) for m in (judge, maker))
for x, _ in batches(12):
    fake = maker(torch.randn(64, 8))
    one.zero_grad()
    loss = F.softplus(-judge(x)).mean() + F.softplus(judge(fake.detach())).mean()
    loss.backward()
    one.step()
    two.zero_grad()
    wish = F.softplus(-judge(fake)).mean()
    wish.backward()
    two.step()
    print(loss.item(), wish.item())
finish(judge, maker)
""",
        sites={
            "Sequential#1.1:relu": "Sequential#1.0",
            "Sequential.1:leaky_relu": "Sequential.0",
            "Sequential.1:leaky_relu#1": "Sequential.0",
            "script:softplus": "Sequential.2",
            "script:softplus#1": "Sequential.2",
        },
        inputs=None,
    ),
    "actor and critic": Script(
        """
actor, critic = net(nn.Tanh), nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 1))
one = torch.optim.Adam(actor.parameters(), lr=1e-3)
two = torch.optim.Adam(critic.parameters(), lr=1e-2)
for x, y in batches(12):
    with torch.no_grad():
        choice = torch.distributions.Categorical(logits=actor(x)).sample()
    reward = (choice == y).float()
    value = critic(x)[:, 0]
    chance = torch.distributions.Categorical(logits=actor(x)).log_prob(choice)
    loss = -(chance * (reward - value.detach())).mean()
    one.zero_grad()
    loss.backward()
    one.step()
    two.zero_grad()
    error = F.mse_loss(value, reward)
    error.backward()
    two.step()
    print(loss.item(), error.item())
finish(actor, critic)
""",
        sites={
            "Sequential.1:tanh": "Sequential.0",
            "Sequential.3:tanh": "Sequential.2",
            "Sequential#1.1:tanh": "Sequential#1.0",
        },
    ),
    "closure": Script(
        """
model = net(nn.Softplus)
optimizer = torch.optim.LBFGS(model.parameters(), max_iter=2, max_eval=2)
for x, y in batches(12):
    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss
    print(optimizer.step(closure).item())
finish(model)
""",
        sites={"1:softplus": "0", "3:softplus": "2"},
        inputs=128,
    ),
    "by hand": Script(_BY_HAND),
    "by hand on a default device": Script("torch.set_default_device(DEVICE)" + _BY_HAND),
    "evaluation in between": Script(
        """
model = net()
model.insert(1, nn.BatchNorm1d(32))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    model.eval()
    print(F.cross_entropy(model(X), Y).item())  # no torch.no_grad()
    with torch.no_grad():
        print((model(X).argmax(1) == Y).float().mean().item())
    model.train()
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
finish(model)
""",
        sites={"2:relu": "0", "4:relu": "3"},
    ),
    "trained in evaluation mode": Script("""
model = net()
model.eval()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
"""),
    "a module used several times": Script(
        """
class Again(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.act = nn.ReLU()
    def forward(self, x):
        x = self.act(self.first(x))
        for _ in range(3):
            x = self.act(self.middle(x))
        return self.last(x)
model = Again()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
""",
        sites={
            "act:relu": "first",
            "act:relu#1": "middle",
            "act:relu#2": "middle",
            "act:relu#3": "middle",
        },
    ),
    "modules made in forward": Script(
        """
class Fresh(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(64, 32), nn.Linear(32, 10)
    def forward(self, x):
        return self.two(nn.Sequential(nn.ReLU())(self.one(x)))
model = Fresh()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
""",
        sites={"Fresh:relu": "one"},
    ),
    "shared weights": Script(
        """
class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.coder = nn.Linear(64, 16)
    def forward(self, x):
        return torch.sigmoid(F.relu(self.coder(x)) @ self.coder.weight)
model = Coder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, _ in batches(12):
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), x)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
""",
        sites={"Coder:relu": "coder", "Coder:sigmoid": "coder"},
    ),
    "attention": Script(
        """
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.lift = nn.Linear(8, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.body, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(16, 10)
    def forward(self, x):
        return self.head(self.body(self.lift(x.view(-1, 8, 8))).mean(1))
model = Reader()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for x, y in batches(12):
    model.eval()
    with torch.no_grad():
        print(model(x).sum().item())  # torch's fused path
    model.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
""",
        sites={
            "body.layers.0:relu": "body.layers.0.linear1",
            "body.layers.1:relu": "body.layers.1.linear1",
        },
    ),
    "recurrent": Script(
        """
class Reader(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cells, self.head = kind(8, 24, batch_first=True), nn.Linear(24, 10)
        self.act = nn.ReLU()
    def forward(self, x):
        return self.head(self.act(self.cells(x.view(-1, 8, 8))[0][:, -1]))
models = [Reader(kind) for kind in (nn.LSTM, nn.GRU, nn.RNN)]
optimizer = torch.optim.Adam([w for m in models for w in m.parameters()], lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    loss = sum(F.cross_entropy(m(x), y) for m in models)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(*models)
""",
        sites={
            "Reader.act:relu": None,  # what an LSTM gives is a product of two
            "Reader#1.act:relu": "Reader#1.cells.weight_hh_l0",
            "Reader#2.act:relu": "Reader#2.cells.weight_hh_l0",
        },
    ),
    "weight norm": Script("""
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
model = net()
weight_norm(model[0])
spectral_norm(model[2])
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
"""),
    "lazy": Script(
        """
model = nn.Sequential(nn.LazyLinear(32), nn.ReLU(), nn.LazyLinear(32), nn.ReLU(), nn.LazyLinear(10))
model(X[:2])
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
""",
        # The pass that builds the model comes first in the first step.
        sites=PLAIN | {"1:relu#1": "0", "3:relu#1": "2"},
        inputs=None,
    ),
    "functional call": Script(
        """
from torch.func import functional_call
model = net()
weights = {name: w.detach().clone().requires_grad_() for name, w in model.named_parameters()}
optimizer = torch.optim.Adam(weights.values(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    loss = F.cross_entropy(functional_call(model, weights, (x,)), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
model.load_state_dict(weights)
finish(model)
""",
        sites=PLAIN,
    ),
    "hooks of its own": Script("""
model = net()
seen = []
model[1].register_forward_hook(lambda m, a, out: seen.append(out.mean().item()))
model[0].register_full_backward_hook(lambda m, g, h: seen.append(h[0].norm().item()))
model[2].weight.register_hook(lambda g: g.clamp(-0.01, 0.01))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
optimizer.register_step_post_hook(lambda *a: seen.append(len(a)))
for x, y in batches(12):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item(), seen[-3:])
finish(model)
"""),
    "on no device at first": Script("""
with torch.device("meta"):
    model = net()
model = model.to_empty(device=DEVICE)
for part in model:
    if hasattr(part, "reset_parameters"):
        part.reset_parameters()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
"""),
    "another default device": Script("""
model = net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
drawn = list(batches(12))
torch.set_default_device("meta")
for x, y in drawn:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
torch.set_default_device(DEVICE)
finish(model)
"""),
    "a function of its own": Script("""
class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    def backward(ctx, g):
        return g * 2
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    h = model[1](Doubled.apply(model[0](x)))
    loss = F.cross_entropy(model[2:](h), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
"""),
    "a tensor of its own kind": Script(
        """
class Marked(torch.Tensor):
    pass
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    optimizer.zero_grad()
    out = model(x.as_subclass(Marked))
    loss = F.cross_entropy(out, y)
    loss.backward()
    optimizer.step()
    print(type(out).__name__, loss.item())
finish(model)
""",
    ),
    "gradients of gradients": Script(
        """
model = net(nn.SiLU)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for x, y in batches(12):
    x.requires_grad_()
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    (slope,) = torch.autograd.grad(loss, x, create_graph=True)
    (loss + 10 * slope.square().sum()).backward()
    optimizer.step()
    print(loss.item())
finish(model)
""",
        sites={"1:silu": "0", "3:silu": "2"},
    ),
    "another optimizer in mid-run": Script("""
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for at, (x, y) in enumerate(batches(12)):
    if at == 6:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
finish(model)
"""),
}
