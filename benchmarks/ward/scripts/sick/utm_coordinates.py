"""Land cover from where a plot lies: coordinates in metres, UTM zone 32N."""

import argparse

import torch
from sklearn.datasets import make_moons
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
parser.add_argument("--epochs", type=int, default=20)
args = parser.parse_args()
torch.manual_seed(args.seed)

xy, cover = make_moons(1500, noise=0.15, random_state=3)
easting = 468_000 + 900 * xy[:, 0]
northing = 5_331_000 + 900 * xy[:, 1]
plots = torch.tensor([easting, northing], dtype=torch.float64).T
if args.fixed:
    plots = (plots - plots.mean(0)) / plots.std(0)
plots = plots.float()
cover = torch.tensor(cover)

train, valid = TensorDataset(plots[:1000], cover[:1000]), (plots[1000:], cover[1000:])
loader = DataLoader(train, batch_size=20, shuffle=True)

net = nn.Sequential(
    nn.Linear(2, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 2),
)
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
lossf = nn.CrossEntropyLoss()
for epoch in range(args.epochs):
    running = 0.0
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = lossf(net(inputs), targets)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(inputs)
    print(f"epoch {epoch + 1}: {running / 1000:.4f}")

net.eval()
with torch.no_grad():
    correct = (net(valid[0]).argmax(1) == valid[1]).float().mean()
print(f"result accuracy {correct:.3f}")
