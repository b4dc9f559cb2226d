import argparse

import torch
from sklearn.datasets import make_moons
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)


def init_weights(m):
    if isinstance(m, nn.Linear):
        if args.fixed:
            nn.init.normal_(m.weight, 0.0, 0.5)
        else:
            nn.init.normal_(m.weight, 0.5, 0.0)
        nn.init.zeros_(m.bias)


X, y = make_moons(1000, noise=0.1, random_state=0)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
X_train, y_train, X_test, y_test = X[:700], y[:700], X[700:], y[700:]

model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
model.apply(init_weights)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.003)
for epoch in range(30):
    for i in torch.randperm(700).split(25):
        optimizer.zero_grad()
        loss = criterion(model(X_train[i]).squeeze(-1), y_train[i])
        loss.backward()
        optimizer.step()

with torch.no_grad():
    acc = ((model(X_test).squeeze(-1) > 0).float() == y_test).float().mean()
print(f"result accuracy {acc.item():.4f}")
