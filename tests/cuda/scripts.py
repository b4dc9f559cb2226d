"""Scripts that do what can only be done on a GPU. Each leaves its weights in `weights.pt`.

`captured` counts the steps that a CUDA graph captures.
"""

from dataclasses import dataclass

BEGIN = """
import torch
from torch import nn
from torch.nn import functional as F
torch.manual_seed(0)
X = torch.randn(512, 64, device="cuda")
Y = X @ torch.randn(64, 4, device="cuda")
def net():
    parts = [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 4)]
    return nn.Sequential(*parts).cuda()
def batches(steps, size=64):
    for at in range(steps):
        at = at * size % len(X)
        yield X[at : at + size], Y[at : at + size]
def train(model, optimizer, steps=24, loss_of=F.mse_loss):
    losses = []
    for x, y in batches(steps):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses
def finish(model, losses):
    print(*(f"{loss.item():.9g}" for loss in losses), sep="\\n")
    torch.save(model.state_dict(), "weights.pt")
    print(torch.cuda.get_rng_state().sum().item(), torch.rand(2, device="cuda").tolist())
"""


@dataclass(frozen=True)
class Script:
    """One script."""

    body: str
    captured: int = 0

    @property
    def source(self) -> str:
        """The whole script."""
        return BEGIN + self.body


SCRIPTS = {
    "deterministic": Script("""
torch.use_deterministic_algorithms(True)
model = net()
def loss_of(output, target):
    classes = F.cross_entropy(output, target.argmax(1))
    yes = F.binary_cross_entropy_with_logits(output, (target > 0).float())
    return classes + yes + F.l1_loss(output, target) + F.mse_loss(output, target)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
finish(model, train(model, optimizer, loss_of=loss_of))
"""),
    "convolutions": Script("""
torch.backends.cudnn.deterministic = True
body = nn.Sequential(
    nn.Unflatten(1, (1, 8, 8)),
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU(),
    nn.Flatten(), nn.Linear(1024, 4),
)
model = body.cuda().to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
finish(model, train(model, optimizer))
"""),
    "no waiting": Script("""
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
torch.cuda.set_sync_debug_mode("error")
losses = train(model, optimizer)
torch.cuda.set_sync_debug_mode("default")
finish(model, losses)
"""),
    "autocast with a scaler": Script("""
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
scaler = torch.amp.GradScaler("cuda", init_scale=2.0**24, growth_interval=5)
losses = []
for x, y in batches(24):
    optimizer.zero_grad()
    with torch.autocast("cuda", torch.float16):
        loss = F.mse_loss(model(x).float(), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    losses.append(loss.detach())
print(scaler.get_scale())
finish(model, losses)
"""),
    "bfloat16 throughout": Script("""
model = net().bfloat16()
X, Y = X.bfloat16(), Y.bfloat16()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
finish(model, train(model, optimizer))
"""),
    "another stream": Script("""
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
stream = torch.cuda.Stream()
stream.wait_stream(torch.cuda.current_stream())
with torch.cuda.stream(stream):
    losses = train(model, optimizer)
torch.cuda.current_stream().wait_stream(stream)
finish(model, losses)
"""),
    "whole steps in a graph": Script(
        """
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, capturable=True)
x, y = X[:64].clone(), Y[:64].clone()
def step():
    optimizer.zero_grad(set_to_none=True)
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss
stream = torch.cuda.Stream()
stream.wait_stream(torch.cuda.current_stream())
with torch.cuda.stream(stream):
    for _ in range(11):
        loss = step()
    del loss
torch.cuda.current_stream().wait_stream(stream)
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    loss = step()
losses = []
for here, there in batches(40):
    x.copy_(here)
    y.copy_(there)
    graph.replay()
    losses.append(loss.clone())
finish(model, losses)
""",
        captured=1,
    ),
    "passes in a graph": Script("""
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for _ in range(3):
    train(model, optimizer, steps=1)
graphed = torch.cuda.make_graphed_callables(model, (X[:64].clone(),))
finish(model, train(graphed, optimizer))
"""),
    "compiled with less overhead": Script("""
model = net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
finish(model, train(torch.compile(model, mode="reduce-overhead"), optimizer))
"""),
    "one rank of nccl": Script("""
import torch.distributed as dist
store = dist.HashStore()
dist.init_process_group("nccl", store=store, rank=0, world_size=1)
model = net()
wrapped = nn.parallel.DistributedDataParallel(model, device_ids=[0])
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
finish(model, train(wrapped, optimizer))
dist.destroy_process_group()
"""),
    "sharded": Script("""
import torch.distributed as dist
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
dist.init_process_group("nccl", store=dist.HashStore(), rank=0, world_size=1)
model = net()
policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
for part in model:
    if isinstance(part, nn.Linear):
        fully_shard(part, mp_policy=policy)
wrapped = fully_shard(model, mp_policy=policy)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
losses = train(wrapped, optimizer, loss_of=lambda out, y: F.mse_loss(out.float(), y))
plain = {key: at.to_local() for key, at in model.state_dict().items()}
print(*(f"{loss.item():.9g}" for loss in losses), sep="\\n")
torch.save(plain, "weights.pt")
dist.destroy_process_group()
"""),
    "batches from workers": Script("""
from torch.utils.data import DataLoader, TensorDataset
if __name__ == "__main__":
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    data = TensorDataset(X.cpu(), Y.cpu())
    losses = []
    for _ in range(3):
        for x, y in DataLoader(data, 64, shuffle=True, num_workers=2, pin_memory=True):
            x, y = x.cuda(non_blocking=True), y.cuda(non_blocking=True)
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    finish(model, losses)
"""),
}
# Sites where the compiled model is looked at uncompiled differ in rounding.
ROUNDED = ("compiled with less overhead",)
