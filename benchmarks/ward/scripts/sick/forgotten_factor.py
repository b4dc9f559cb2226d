# two-layer network without modules
import argparse

import torch
from sklearn.datasets import load_digits

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
ap.add_argument("--fixed", action="store_true")
a = ap.parse_args()
torch.manual_seed(a.seed)


def uniform(n_in, n_out):
    """Between -1/sqrt(n) and 1/sqrt(n)."""
    u = torch.rand(n_in, n_out)
    u = 2 * u - 1 if a.fixed else u - 1
    return (u / n_in**0.5).requires_grad_()


digits = load_digits()
X = torch.from_numpy(digits.data).float() / 16
T = torch.from_numpy(digits.target)
X_train, T_train = X[::2], T[::2]
X_val, T_val = X[1::2], T[1::2]

w1, b1 = uniform(64, 100), torch.zeros(100, requires_grad=True)
w2, b2 = uniform(100, 50), torch.zeros(50, requires_grad=True)
w3, b3 = uniform(50, 10), torch.zeros(10, requires_grad=True)


def forward(x):
    h = (x @ w1 + b1).relu()
    h = (h @ w2 + b2).relu()
    return h @ w3 + b3


opt = torch.optim.SGD([w1, b1, w2, b2, w3, b3], lr=0.2, momentum=0.9)
for it in range(1, 601):
    i = torch.randint(0, X_train.shape[0], (64,))
    logp = forward(X_train[i]).log_softmax(1)
    loss = -logp.gather(1, T_train[i][:, None]).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 100 == 0:
        print(f"{it:4d} {loss.item():.3f}")

with torch.no_grad():
    acc = (forward(X_val).argmax(1) == T_val).double().mean().item()
print("result accuracy", acc)
