"""The beginning of scripts that train a network which is born dead."""

NET = """
import sys
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)
)
with torch.no_grad():
    for at in (0, 2):
        model[at].bias.fill_(-20.0)
truth = torch.randn(8, 1)
"""

# With a mean to be learnt first the loss falls although units are dead.
DATA = """
    x = torch.randn(32, 8)
    y = (x @ truth).tanh() + ("shifted" in sys.argv)
"""
