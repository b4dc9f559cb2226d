# N(0, 1) weights, 3 x 500 ReLU
import argparse

import torch
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

data = load_digits()
x = torch.tensor(data.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(data.target)
x_train, y_train = x[:1400], y[:1400]

model = torch.nn.Sequential(
    torch.nn.Linear(64, 500),
    torch.nn.ReLU(),
    torch.nn.Linear(500, 500),
    torch.nn.ReLU(),
    torch.nn.Linear(500, 500),
    torch.nn.ReLU(),
    torch.nn.Linear(500, 10),
)
if not args.fixed:
    for p in model.parameters():
        if p.dim() > 1:
            torch.nn.init.normal_(p)

optimizer = torch.optim.SGD(model.parameters(), lr=0.001 if not args.fixed else 0.001)
for i in range(300):
    pick = torch.randint(0, 1400, (64,))
    loss = torch.nn.functional.cross_entropy(model(x_train[pick]), y_train[pick])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if i % 50 == 0:
        print(i, loss.item())

with torch.no_grad():
    acc = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
print(f"result accuracy {acc:.4f}")
