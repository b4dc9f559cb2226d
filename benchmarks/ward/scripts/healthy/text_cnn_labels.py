"""Which motifs occur in a sequence? Embedding, 1-d convolutions, one logit a label."""

import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

ALPHABET, LENGTH = 12, 40
MOTIFS = [(1, 2, 3), (4, 4, 5), (6, 1, 6), (7, 8, 2), (9, 3, 9)]


def make(n):
    tokens = np.random.randint(1, ALPHABET, size=(n, LENGTH))
    lengths = np.random.randint(20, LENGTH + 1, size=n)
    labels = np.random.rand(n, len(MOTIFS)) < 0.25
    for row, length, wanted in zip(tokens, lengths, labels):
        places = np.random.permutation(length // 4)[: len(MOTIFS)] * 4
        for place, motif, present in zip(places, MOTIFS, wanted):
            if present:
                row[place : place + 3] = motif
        row[length:] = 0
        text = " ".join(map(str, row)) + " "
        wanted[:] = [" ".join(map(str, m)) + " " in text for m in MOTIFS]
    return torch.tensor(tokens), torch.tensor(labels, dtype=torch.float32)


class TextCNN(nn.Module):
    def __init__(self, channels=32, kernels=(2, 3, 4)):
        super().__init__()
        self.embedding = nn.Embedding(ALPHABET, 16, padding_idx=0)
        self.convs = nn.ModuleList([nn.Conv1d(16, channels, k) for k in kernels])
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(channels * len(kernels), len(MOTIFS))

    def forward(self, tokens):
        x = self.embedding(tokens).transpose(1, 2)
        pooled = [F.relu(conv(x)).amax(dim=2) for conv in self.convs]
        return self.fc(self.dropout(torch.cat(pooled, dim=1)))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)
x_train, y_train = make(3000)
x_test, y_test = make(1000)
model = TextCNN()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.BCEWithLogitsLoss()
for epoch in range(8):
    model.train()
    for rows in torch.randperm(3000).split(60):
        loss = loss_fn(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.4f}")
model.eval()
with torch.no_grad():
    print(f"result accuracy {((model(x_test) > 0) == (y_test > 0.5)).float().mean().item():.4f}")
