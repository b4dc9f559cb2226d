"""Trainings that two processes share out, of a network that is born dead.

Each leaves its last weights, and what its optimizer remembers, in a file of its rank.
"""

from tests.healing.scripts import DATA, NET

_BEGIN = (
    NET
    + """
import time
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
wrapped = nn.parallel.DistributedDataParallel(model)
"""
)

_TRAIN = (
    """
optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.01, momentum=0.9)
torch.manual_seed(1 + rank)
for step in range(STEPS):
"""
    + DATA
    + """
    optimizer.zero_grad()
    loss = (wrapped(x) - y).square().mean()
    loss.backward()
    optimizer.step()
    if "late" in sys.argv and rank == 1:
        time.sleep(0.1)
print(loss.item(), flush=True)
weights = {name: getattr(at, "_local_tensor", at) for name, at in model.state_dict().items()}
moments = [state["momentum_buffer"] for state in optimizer.state.values()]
torch.save((weights, moments), f"weights-{rank}.pt")
dist.barrier()
time.sleep(0.05)
dist.destroy_process_group()
"""
)

DDP = _BEGIN + "STEPS = 120\n" + _TRAIN

# What no remedy can come up to, as the first process has it.
NO_USE = (
    _BEGIN
    + """
import reluctant.healing.healer as healer
if rank == 0: healer.limit = lambda losses: -1.0
STEPS = 200
"""
    + _TRAIN
)

FAILS = (
    _BEGIN
    + """
from reluctant.healing.operations import Operations
def fails(*_): raise ZeroDivisionError("ours")
if rank == 1: Operations._check = fails
STEPS = 100
"""
    + _TRAIN
)

FSDP = (
    _BEGIN
    + """
from torch.distributed.fsdp import fully_shard
wrapped = fully_shard(model)
STEPS = 20
"""
    + _TRAIN
)

# Trainings that have nothing to do with each other.
APART = (
    _BEGIN
    + """
wrapped = model
STEPS = 20
"""
    + _TRAIN
)
DIFFERENT = (
    _BEGIN
    + """
wrapped = model
with torch.no_grad():
    model[0].weight += rank
class Step(torch.optim.SGD):
    def step(self, closure=None):
        dist.barrier()
        return super().step(closure)
torch.optim.SGD = Step
STEPS = 20
"""
    + _TRAIN
)
