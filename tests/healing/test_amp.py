"""Healing with autocast and a scaler: what it leaves out ends no remedy, and scales no pace."""

from pathlib import Path

import pytest
from tests.healing.scripts import DATA, NET
from tests.matrix.zygote import Zygote

from reluctant import load

# A step is left out after each that is looked at, in which passes of ours would be.
SCRIPT = (
    NET
    + """
DEVICE = torch.get_default_device().type
optimizer = torch.optim.SGD(
    model.parameters(), lr=0.01, momentum=0.9, fused="fused" in sys.argv
)
scaler = torch.amp.GradScaler(DEVICE, init_scale=2.0**16, growth_interval=1)
model[4].weight.register_hook(lambda gradient: gradient * (float("inf") if step % 2 else 1))
for step in range(240):
"""
    + DATA
    + """
    optimizer.zero_grad()
    with torch.autocast(DEVICE, torch.bfloat16):
        loss = (model(x).float() - y).square().mean()
    scaler.scale(loss).backward()
    if "unscaled" in sys.argv:
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
print(loss.item(), optimizer.param_groups[0]["lr"])
"""
)


@pytest.mark.parametrize("remedy", ["rescale", "revive"])
@pytest.mark.parametrize("how", ["", "unscaled", "fused"])
def test_steps_that_are_left_out(zygote: Zygote, tmp_path: Path, how: str, remedy: str) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    options = ("--every", 1, "--quiet", f"--heal={remedy}", "--out", "run")
    done = zygote.run("reluctant", "run", *options, "script.py", how, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    run = load(tmp_path / "run")
    assert run.info.failure is None
    assert sum(at.skipped for at in run.samples) == 120
    assert {(at.remedy, at.kept) for at in run.interventions} == {(remedy, True)}
    loss, rate = map(float, done.out.split())
    assert loss < 0.5
    assert rate == 0.01
