"""The learning rate starts again and again (SGDR)."""

import argparse
import random

import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts


def build(width=32):
    return nn.Sequential(
        nn.Linear(2, width), nn.ELU(), nn.Linear(width, width), nn.ELU(), nn.Linear(width, 1)
    )


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
for seeder in (random.seed, np.random.seed, torch.manual_seed):
    seeder(options.seed)
points, labels = make_moons(1500, noise=0.2, random_state=options.seed)
points = torch.as_tensor(points, dtype=torch.float32)
labels = torch.as_tensor(labels, dtype=torch.float32)
train_x, train_y = points[:1000], labels[:1000]

model = build()
optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2)
batches = 1000 // 50
for epoch in range(70):
    order = torch.randperm(1000)
    for i in range(batches):
        rows = order[i * 50 : (i + 1) * 50]
        loss = nn.functional.binary_cross_entropy_with_logits(
            model(train_x[rows]).squeeze(-1), train_y[rows]
        )
        model.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step(epoch + i / batches)
    if epoch % 10 == 9:
        print(f"epoch {epoch} lr {optimizer.param_groups[0]['lr']:.3f} loss {loss.item():.4f}")

with torch.no_grad():
    correct = (model(points[1000:]).squeeze(-1) > 0) == (labels[1000:] > 0.5)
print(f"result accuracy {correct.float().mean().item():.4f}")
