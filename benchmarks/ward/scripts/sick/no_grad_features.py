"""Siamese embedding of digits with a triplet loss; the features are computed under no_grad."""

import argparse
import contextlib

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
labels = torch.tensor(digits.target)
train_labels = labels[:1300]

features = nn.Sequential(
    nn.Conv2d(1, 8, 3), nn.LeakyReLU(0.1), nn.Conv2d(8, 8, 3, stride=2), nn.LeakyReLU(0.1),
    nn.Flatten(), nn.Linear(32, 8), nn.LeakyReLU(0.1),
)  # fmt: skip
project = nn.Linear(8, 8)
optimizer = torch.optim.Adam([*features.parameters(), *project.parameters()], lr=3e-3)
by_class = [torch.nonzero(train_labels == c).flatten() for c in range(10)]


def embed(x):
    with contextlib.nullcontext() if args.fixed else torch.no_grad():  # saves memory
        f = features(x)
    return F.normalize(project(f), dim=1)


def draw(classes):
    return torch.stack([by_class[c][torch.randint(len(by_class[c]), ())] for c in classes])


for step in range(300):
    classes = torch.randint(10, (48,))
    others = (classes + torch.randint(1, 10, (48,))) % 10
    anchor, positive = embed(images[draw(classes)]), embed(images[draw(classes)])
    negative = embed(images[draw(others)])
    loss = F.triplet_margin_loss(anchor, positive, negative, margin=0.5)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.3f}")

with torch.no_grad():
    codes = embed(images)
    centres = torch.stack([codes[:1300][train_labels == c].mean(0) for c in range(10)])
    accuracy = ((codes[1300:] @ centres.T).argmax(1) == labels[1300:]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
