import argparse

import torch
from sklearn.datasets import make_friedman1
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

X, y = make_friedman1(1200, n_features=10, noise=0.5, random_state=0)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
X_train, y_train, X_test, y_test = X[:900], y[:900], X[900:], y[900:]

model = nn.Sequential(nn.Linear(10, 64), nn.ELU(), nn.Linear(64, 64), nn.ELU(), nn.Linear(64, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3 if args.fixed else 0.1, momentum=0.9)

for epoch in range(20):
    total = 0.0
    for batch in torch.randperm(900).split(30):
        optimizer.zero_grad()
        loss = criterion(model(X_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 4 == 0:
        print(f"epoch {epoch}: {total / 30}")

with torch.no_grad():
    print("result loss", criterion(model(X_test), y_test).item())
