"""Word vectors by skip-gram with negative sampling; most words of a text are rare."""

import argparse
import random
import re
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class SkipGram(nn.Module):
    def __init__(self, words: int, dim: int = 32):
        super().__init__()
        self.center = nn.Embedding(words, dim, sparse=True)
        self.context = nn.Embedding(words, dim, sparse=True)
        nn.init.uniform_(self.center.weight, -0.5 / dim, 0.5 / dim)
        nn.init.zeros_(self.context.weight)

    def forward(self, center, context):
        return (self.center(center).unsqueeze(1) * self.context(context)).sum(-1)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--negatives", type=int, default=5)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

words = re.findall(r"[a-z_]+", Path(argparse.__file__).read_text(encoding="utf-8").lower())
words += re.findall(r"[a-z_]+", Path(textwrap.__file__).read_text(encoding="utf-8").lower())
counts = Counter(words)
vocabulary = {word: i for i, (word, _) in enumerate(counts.most_common())}
ids = torch.tensor([vocabulary[w] for w in words])
noise = torch.tensor([counts[w] for w in vocabulary], dtype=torch.float) ** 0.75
print(len(words), "words,", len(vocabulary), "different ones")

pairs = [torch.stack([ids[:-d], ids[d:]], 1) for d in (1, 2)]
pairs = torch.cat(pairs + [p.flip(1) for p in pairs])
pairs = pairs[torch.randperm(len(pairs))]
held_out, pairs = pairs[:2000], pairs[2000:]


def loss_of(model, batch):
    wrong = torch.multinomial(noise, len(batch) * args.negatives, replacement=True)
    candidates = torch.cat([batch[:, 1:], wrong.view(len(batch), -1)], dim=1)
    truth = torch.zeros(candidates.shape)
    truth[:, 0] = 1
    return F.binary_cross_entropy_with_logits(model(batch[:, 0], candidates), truth)


model = SkipGram(len(vocabulary))
optimizer = torch.optim.SparseAdam(model.parameters(), lr=5e-3)
for step in range(1500):
    batch = pairs[torch.randint(len(pairs), (128,))]
    loss = loss_of(model, batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 300 == 0:
        print(step, loss.item())
with torch.no_grad():
    print("result loss", loss_of(model, held_out).item())
