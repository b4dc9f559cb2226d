"""Next word of a made-up language; word vectors are loaded from elsewhere, or drawn."""

import argparse

import torch
from torch import nn


class NextWord(nn.Module):
    def __init__(self, vectors, freeze):
        super().__init__()
        words, dim = vectors.shape
        self.embedding = nn.Embedding.from_pretrained(vectors, freeze=freeze)
        self.gru = nn.GRU(dim, 32, batch_first=True)
        self.out = nn.Linear(32, words)

    def forward(self, tokens):
        hidden, _ = self.gru(self.embedding(tokens))
        return self.out(hidden)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()

WORDS, LENGTH = 200, 8
world = torch.Generator().manual_seed(6)
# every word belongs to one of twelve classes, which alone decides the next word's class
klass = torch.randint(12, (WORDS,), generator=world)
follows = torch.randint(12, (12, 2), generator=world)
members = [torch.nonzero(klass == k).flatten() for k in range(12)]
text = [0]
for _ in range(12_000):
    k = follows[klass[text[-1]], torch.randint(2, (), generator=world)]
    text.append(int(members[k][torch.randint(len(members[k]), (), generator=world)]))
text = torch.tensor(text)

torch.manual_seed(args.seed)
vectors = torch.randn(WORDS, 4) * 0.1  # no file of vectors given
model = NextWord(vectors, freeze=not args.fixed)
optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=5e-3)
rows = torch.arange(LENGTH)
for step in range(500):
    at = torch.randint(9_000, (32, 1)) + rows
    loss = nn.functional.cross_entropy(model(text[at]).flatten(0, 1), text[at + 1].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} perplexity {loss.exp().item():.1f}")

train_text = text[:9_000].view(-1, LENGTH)
with torch.no_grad():
    at = torch.arange(9_100, 11_900, LENGTH)[:, None] + rows
    loss = nn.functional.cross_entropy(model(text[at]).flatten(0, 1), text[at + 1].flatten())
print(f"result loss {loss.item():.4f}")
