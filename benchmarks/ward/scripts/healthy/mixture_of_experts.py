"""A sparse mixture of experts: each input goes to its best one; one is seldom needed."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Expert(nn.Module):
    def __init__(self, d_in, d_hidden, d_out):
        super().__init__()
        self.up = nn.Linear(d_in, d_hidden)
        self.down = nn.Linear(d_hidden, d_out)

    def forward(self, x):
        return self.down(F.gelu(self.up(x)))


class MixtureOfExperts(nn.Module):
    def __init__(self, d_in=8, d_out=1, experts=4):
        super().__init__()
        self.gate = nn.Linear(d_in, experts)
        self.experts = nn.ModuleList(Expert(d_in, 32, d_out) for _ in range(experts))

    def forward(self, x):
        weight = self.gate(x).softmax(-1)
        best = weight.argmax(-1)
        out = x.new_zeros(len(x), 1)
        for i, expert in enumerate(self.experts):
            mine = (best == i).nonzero(as_tuple=True)[0]
            if len(mine):
                out[mine] = expert(x[mine]) * weight[mine, i : i + 1]
        return out, weight


# Four kinds of input; the fourth makes two in a hundred. Each has a function of its own.
centres = 2 * torch.eye(8)[:4]
directions = torch.randn(4, 8, generator=torch.Generator().manual_seed(7))
rates = torch.tensor([0.4, 0.33, 0.25, 0.02])


def sample(n):
    kind = torch.multinomial(rates, n, replacement=True)
    x = centres[kind] + 0.4 * torch.randn(n, 8)
    return x, (x * directions[kind]).sum(1, keepdim=True).sin()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    x_train, y_train = sample(6000)
    x_test, y_test = sample(2000)
    model = MixtureOfExperts()
    with torch.no_grad():
        model.gate.weight[:, :4] += torch.eye(4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for step in range(900):
        rows = torch.randint(len(x_train), (48,))
        out, weight = model(x_train[rows])
        loss = F.mse_loss(out, y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 150 == 0:
            print(f"step {step} loss {loss.item():.4f} gate {weight.mean(0).tolist()}")
    with torch.no_grad():
        print(f"result loss {F.mse_loss(model(x_test)[0], y_test).item():.4f}")
    return model, x_train


if __name__ == "__main__":
    model, x_train = main()
