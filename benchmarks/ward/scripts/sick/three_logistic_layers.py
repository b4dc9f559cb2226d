# after the textbook: N(0, 0.05) weights, logistic units, plain SGD
import argparse

import torch
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

data = load_digits()
X = torch.tensor(data.data, dtype=torch.float32) / 16.0
Y = torch.tensor(data.target)
X_tr, Y_tr, X_te, Y_te = X[:1397], Y[:1397], X[1397:], Y[1397:]

sizes = [64, 100, 100, 100, 10]
params = []
for m, n in zip(sizes, sizes[1:]):
    std = 4.0 / m**0.5 if args.fixed else 0.05
    params.append(torch.nn.Parameter(torch.normal(0.0, std, (m, n))))
    params.append(torch.nn.Parameter(torch.zeros(n)))
W1, b1, W2, b2, W3, b3, W4, b4 = params


def net(x):
    a1 = torch.sigmoid(torch.mm(x, W1) + b1)
    a2 = torch.sigmoid(torch.mm(a1, W2) + b2)
    a3 = torch.sigmoid(torch.mm(a2, W3) + b3)
    return torch.mm(a3, W4) + b4


sgd = torch.optim.SGD(params, lr=0.1)
losses = []
for epoch in range(25):
    for k in torch.randperm(len(X_tr)).split(20):
        sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(X_tr[k]), Y_tr[k])
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    if epoch % 5 == 4:
        print("epoch", epoch + 1, "loss", sum(losses[-70:]) / 70)

with torch.no_grad():
    acc = (net(X_te).argmax(1) == Y_te).float().mean().item()
print("result accuracy", acc)
