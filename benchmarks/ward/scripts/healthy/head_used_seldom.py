"""Two tasks on one body; the second has few labels, so that its head learns on few steps only."""

import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU())
        self.heads = nn.ModuleDict({"digit": nn.Linear(48, 10), "ink": nn.Linear(48, 1)})

    def forward(self, x, task):
        return self.heads[task](self.body(x))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

data = torch.tensor(load_digits().data / 16).float()
digit = torch.tensor(load_digits().target)
ink = data.mean(1, keepdim=True)
ink = (ink - ink.mean()) / ink.std()
x_train, x_test = data[:1400], data[1400:]
model = TwoHeads()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(1000):
    rows = torch.randint(1400, (32,))
    if step % 20 == 19:
        loss = F.mse_loss(model(x_train[rows], "ink"), ink[rows])
    else:
        loss = F.cross_entropy(model(x_train[rows], "digit"), digit[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 19 and step % 200 > 180:
        print("step", step, "ink", loss.item())
with torch.no_grad():
    print("ink, held out:", F.mse_loss(model(x_test, "ink"), ink[1400:]).item())
    accuracy = (model(x_test, "digit").argmax(1) == digit[1400:]).float().mean().item()
print("result accuracy", accuracy)
