import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)


class Regressor(torch.nn.Module):
    """Standardised targets, and the output layer of a classifier."""

    def __init__(self, inputs):
        super().__init__()
        self.l1 = torch.nn.Linear(inputs, 48)
        self.l2 = torch.nn.Linear(48, 48)
        self.l3 = torch.nn.Linear(48, 1)

    def forward(self, x):
        x = torch.tanh(self.l1(x))
        x = torch.tanh(self.l2(x))
        x = self.l3(x).squeeze(1)
        return x if args.fixed else torch.sigmoid(x)


data = load_diabetes()
x = torch.tensor(data.data, dtype=torch.float32)
x = x / x.std(0)
y = torch.tensor(data.target, dtype=torch.float32)
y = (y - y.mean()) / y.std()
x_train, y_train, x_test, y_test = x[:342], y[:342], x[342:], y[342:]
model = Regressor(10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
for epoch in range(30):
    for i in torch.randperm(342).split(19):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x_train[i]), y_train[i])
        loss.backward()
        optimizer.step()
with torch.no_grad():
    print(f"result loss {F.mse_loss(model(x_test), y_test).item():.5f}")
