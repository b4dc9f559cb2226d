"""Bag of words: does a sentence come from the tutorial or the reference? (made-up words)"""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()

world = torch.Generator().manual_seed(8)
topics = torch.rand(4, 300, generator=world).pow(4)
label = torch.randint(4, (1600,), generator=world)
words = torch.multinomial(topics[label], 10, replacement=True, generator=world)
train, test = slice(0, 1200), slice(1200, None)

torch.manual_seed(args.seed)
model = nn.Sequential(
    nn.EmbeddingBag(300, 32, mode="mean"),
    nn.LayerNorm(32),
    nn.Linear(32, 64),
    nn.GELU(),
    nn.Dropout(0.1),
    nn.Linear(64, 4),
)
# the rate for fine-tuning a large model
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3 if args.fixed else 1e-6)
loss_function = nn.CrossEntropyLoss(label_smoothing=0.05)
for epoch in range(12):
    model.train()
    for i in torch.randperm(1200).split(32):
        optimizer.zero_grad()
        loss = loss_function(model(words[train][i]), label[train][i])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1:2d} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    accuracy = (model(words[test]).argmax(1) == label[test]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
