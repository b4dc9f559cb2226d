"""Scripts that several processes run together, each leaving its weights in a file of its rank.

They print how many operations of the process group there were: gradients count as any others.
"""

from pathlib import Path

_TRAINING = Path(__file__).with_name("training.py").read_text()

_BEGIN = """
import os, sys, time
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
model = net()
"""

_TRAIN = """
optimizer = torch.optim.SGD(wrapped.parameters(), lr=RATE, momentum=MOMENTUM)
for step in range(STEPS):
    optimizer.zero_grad()
    loss = loss_of(wrapped, share(step, rank))
    loss.backward()
    optimizer.step()
    print(rank, step, loss.item().hex(), flush=True)
    if sys.argv[1:] == ["dies", str(rank)] and step == 7:
        os.kill(os.getpid(), 9)
print("operations", dist.distributed_c10d._get_default_group()._get_sequence_number_for_group())
weights = {key: getattr(at, "_local_tensor", at) for key, at in model.state_dict().items()}
torch.save(weights, f"weights-{rank}.pt")
print(torch.get_rng_state().sum().item(), torch.rand(2).tolist())
# torch's threads let go of the last gradients' tensors, for which they need the interpreter: a
# process that ends before that aborts or hangs, watched or not.
time.sleep(0.05)
dist.destroy_process_group()
if "fails" in sys.argv and rank == 1:
    sys.exit(3)
"""

_WRAPPED = {
    "ddp": """
wrapped = nn.parallel.DistributedDataParallel(model)
""",
    "ddp of a compiled model": """
wrapped = nn.parallel.DistributedDataParallel(torch.compile(model, backend="aot_eager"))
""",
    "fsdp": """
from torch.distributed.fsdp import fully_shard
for part in model:
    if isinstance(part, nn.Linear):
        fully_shard(part)
wrapped = fully_shard(model)
""",
    "fsdp in one group": """
from torch.distributed.fsdp import fully_shard
wrapped = fully_shard(model)
""",
}

SCRIPTS = {name: _TRAINING + _BEGIN + wrap + _TRAIN for name, wrap in _WRAPPED.items()}
