"""Four tanh layers, weights drawn with torch.randn."""

import argparse

import torch
from sklearn.datasets import load_digits


class Layer:
    def __init__(self, n_in, n_out, scale):
        self.w = torch.randn(n_in, n_out) * scale
        self.b = torch.zeros(n_out)
        self.w.requires_grad_()
        self.b.requires_grad_()

    def __call__(self, x):
        return x @ self.w + self.b


class Network:
    def __init__(self, sizes, fixed):
        self.layers = [
            Layer(a, b, a**-0.5 if fixed else 1.0) for a, b in zip(sizes[:-1], sizes[1:])
        ]

    def parameters(self):
        return [p for layer in self.layers for p in (layer.w, layer.b)]

    def __call__(self, x):
        *hidden, last = self.layers
        for layer in hidden:
            x = layer(x).tanh()
        return last(x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(digits.target)
train, test = slice(0, 1300), slice(1300, None)

net = Network([64, 200, 200, 200, 200, 10], args.fixed)
opt = torch.optim.SGD(net.parameters(), lr=0.02)
for epoch in range(12):
    for i in torch.randperm(1300).split(26):
        loss = torch.nn.functional.cross_entropy(net(x[train][i]), y[train][i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(epoch, f"{loss.item():.3f}")

with torch.no_grad():
    accuracy = (net(x[test]).argmax(1) == y[test]).float().mean()
print(f"result accuracy {accuracy.item():.4f}")
