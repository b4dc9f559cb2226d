"""Digits whose pixels are permuted anew for every task: how well is the last task learned?"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--tasks", type=int, default=36)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
pixels = torch.tensor(digits.data[:800], dtype=torch.float32)
pixels = (pixels - pixels.mean()) / pixels.std()
labels = torch.tensor(digits.target[:800])

model = nn.Sequential(
    nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(),
    nn.Linear(100, 10),
)  # fmt: skip
if args.fixed:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
else:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

accuracies = []
for task in range(args.tasks):
    permutation = torch.randperm(64)
    x = pixels[:, permutation]
    correct = 0
    for batch in torch.randperm(len(x)).split(16):
        logits = model(x[batch])
        correct += (logits.argmax(1) == labels[batch]).sum().item()
        loss = F.cross_entropy(logits, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracies.append(correct / len(x))
    if task % 10 == 0:
        print(f"task {task}: online accuracy {accuracies[-1]:.3f}")

print(f"result accuracy {sum(accuracies[-10:]) / 10:.4f}")
