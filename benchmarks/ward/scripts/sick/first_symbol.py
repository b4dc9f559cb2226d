"""Recall the first symbol of a sequence with a plain recurrent network."""

import argparse

import torch
from torch import nn


class Recurrent(nn.Module):
    def __init__(self, symbols, hidden, orthogonal):
        super().__init__()
        self.embed = nn.Embedding(symbols, hidden)
        self.step = nn.Linear(hidden, hidden)
        self.read = nn.Linear(hidden, symbols)
        if orthogonal:
            nn.init.orthogonal_(self.step.weight)
            nn.init.zeros_(self.step.bias)
            nn.init.normal_(self.embed.weight, std=0.1)

    def forward(self, tokens):
        h = torch.zeros(len(tokens), self.step.in_features)
        for t in range(tokens.shape[1]):
            h = torch.tanh(self.embed(tokens[:, t]) + self.step(h))
        return self.read(h)


def sequences(n, length, symbols):
    tokens = torch.randint(symbols, (n, length))
    return tokens, tokens[:, 0]


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--length", type=int, default=30)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train = sequences(4000, args.length, 8)
x_test, y_test = sequences(500, args.length, 8)
model = Recurrent(8, 64, args.fixed)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(400):
    pick = torch.randint(len(x_train), (32,))
    loss = nn.functional.cross_entropy(model(x_train[pick]), y_train[pick])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 100 == 0:
        print(step, loss.item())

with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
