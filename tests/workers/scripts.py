"""Scripts that train with the help of other processes, all of them started within a sample.

Each worker says in a file `said-PID` what of ours it finds in itself; some train models of their
own, and leave their weights.
"""

BEGINS = "# begins here\n"

# What a worker finds. `ran` are the functions of ours that it ran while it trained.
_INSPECT = '''
import os, sys
import torch
from torch import nn
from torch.nn.modules import module
from torch.optim import optimizer


def fit(model, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    optim = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optim.zero_grad()
        size = model[0].in_features
        loss = model(torch.randn(24, size, generator=generator)).square().mean()
        loss.backward()
        optim.step()
    return loss.item().hex()


def inspected():
    """Look around, then train another model, of another size and with another function."""
    hooks = (
        optimizer._global_optimizer_pre_hooks, optimizer._global_optimizer_post_hooks,
        module._global_module_registration_hooks, module._global_parameter_registration_hooks,
    )
    said = {
        "hooks": [hook.__qualname__ for at in hooks for hook in at.values()],
        "modes": torch.overrides._len_torch_function_stack(),
        "backward": os.path.basename(torch.Tensor.backward.__code__.co_filename),
        "finders": [at for at in map(repr, sys.meta_path) if "reluctant" in at],
        "ran": [],
    }

    def profile(frame, event, argument):
        file = frame.f_code.co_filename
        if "reluctant" in file.split(os.sep):
            said["ran"].append((os.path.basename(file), frame.f_code.co_name))

    sys.setprofile(profile)
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 7))
    loss = fit(model, 3, seed=1)
    sys.setprofile(None)
    with open(f"said-{os.getpid()}", "w") as file:
        file.write(repr(said))
    return loss, model
'''

_TRAIN = """
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
optim = torch.optim.Adam(model.parameters(), lr=1e-2)


def train(batches):
    for step, x in enumerate(batches):
        optim.zero_grad()
        loss = model(x).square().mean()
        if step == 3:
            meanwhile()
        loss.backward()
        optim.step()
        print(step, loss.item().hex(), flush=True)


def finish():
    torch.save(model.state_dict(), "weights.pt")
    print(torch.get_rng_state().sum().item(), torch.rand(2).tolist())
"""

# A pickled function must be one of a module that a spawned process can import: the script, of
# which it runs all but the main part.
_MAIN = """
def meanwhile():
    pass


def plain_batches():
    for _ in range(12):
        yield torch.randn(32, 8)
"""

_LOADER = """
from torch.utils.data import DataLoader, Dataset


class Data(Dataset):
    def __len__(self):
        return 384

    def __getitem__(self, at):
        return torch.randn(8, generator=torch.Generator().manual_seed(at))


def begin(worker):
    inspected()


if __name__ == "__main__":
    loader = DataLoader(
        Data(), batch_size=32, shuffle=True, num_workers={workers}, worker_init_fn=begin,
        multiprocessing_context="{how}",
    )
    train(loader)
    finish()
"""

_PROCESSES = """
import multiprocessing


def work(name):
    loss, model = inspected()
    torch.save(model.state_dict(), name)
    print(name, loss, flush=True)


def meanwhile():
    process = multiprocessing.get_context("{how}").Process(target=work, args=("child.pt",))
    process.start()
    process.join()
    print(process.exitcode, flush=True)


if __name__ == "__main__":
    train(plain_batches())
    finish()
"""

_POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def work(seed):
    inspected()
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    return fit(model, 5, seed)


def meanwhile():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("{how}")) as pool:
        print(list(pool.map(work, [1, 2, 3])), flush=True)


if __name__ == "__main__":
    train(plain_batches())
    finish()
"""

_SUBPROCESS = """
import subprocess


def meanwhile():
    done = subprocess.run([sys.executable, __file__, "child"], capture_output=True, text=True)
    print(done.returncode, done.stdout, done.stderr, flush=True)


if __name__ == "__main__":
    if "child" in sys.argv:
        loss, model = inspected()
        torch.save(model.state_dict(), "child.pt")
        print(loss)
    else:
        train(plain_batches())
        finish()
"""

_BARE_FORK = """
def meanwhile():
    child = os.fork()
    if child:
        print("child", os.waitpid(child, 0)[1], flush=True)
        return
    loss, other = inspected()
    torch.save(other.state_dict(), "child.pt")
    os._exit(0)


if __name__ == "__main__":
    train(plain_batches())
    finish()
"""


def _script(body: str, how: str = "", workers: int = 1) -> str:
    body = body.replace("{how}", how).replace("{workers}", str(workers))
    return _INSPECT + BEGINS + _TRAIN + _MAIN + body


# Only a fork can inherit anything from us, so of the rest one each: they import torch again.
SCRIPTS = {
    "fork": _script(_BARE_FORK),
    "processes, forked": _script(_PROCESSES, "fork"),
    "processes, spawned": _script(_PROCESSES, "spawn"),
    "loader, forked": _script(_LOADER, "fork", workers=2),
    "loader, spawned": _script(_LOADER, "spawn"),
    "loader, from a server": _script(_LOADER, "forkserver"),
    "pool, forked": _script(_POOL, "fork"),
    "subprocess": _script(_SUBPROCESS),
}
