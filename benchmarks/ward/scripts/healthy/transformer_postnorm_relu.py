"""PyTorch's own encoder layer as it comes (post-norm, ReLU): which token is the most frequent?"""

import argparse
import random

import numpy as np
import torch
from torch import nn

TOKENS, LENGTH = 6, 16


class Counter(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embed = nn.Embedding(TOKENS, width)
        self.position = nn.Parameter(torch.randn(LENGTH, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, dim_feedforward=64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.classify = nn.Linear(width, TOKENS)

    def forward(self, tokens):
        hidden = self.encoder(self.embed(tokens) + self.position)
        return self.classify(hidden.mean(dim=1))


def make(n):
    weights = torch.rand(n, TOKENS) ** 2
    tokens = torch.multinomial(weights, LENGTH, replacement=True)
    counts = nn.functional.one_hot(tokens, TOKENS).sum(1)
    clear = counts.sort(dim=1).values
    keep = clear[:, -1] > clear[:, -2]
    return tokens[keep], counts[keep].argmax(1)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)
x_train, y_train = make(3000)
x_test, y_test = make(1000)
model = Counter()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 50))
for step in range(400):
    rows = torch.randint(len(x_train), (32,))
    loss = nn.functional.cross_entropy(model(x_train[rows]), y_train[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 100 == 0:
        print(step, round(loss.item(), 4))
model.eval()
with torch.no_grad():
    print("result accuracy", (model(x_test).argmax(1) == y_test).float().mean().item())
