"""A character transformer on the source of argparse."""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
parser.add_argument("--steps", type=int, default=250)
args = parser.parse_args()
torch.manual_seed(args.seed)

text = Path(argparse.__file__).read_text(encoding="utf-8")
chars = sorted(set(text))
codes = torch.tensor([chars.index(c) for c in text])
cut = int(0.9 * len(codes))
BLOCK, WIDTH = 32, 48


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(b, t, 3, 4, c // 4).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(len(chars), WIDTH)
        self.pos = nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.Sequential(Block(), Block())
        self.ln = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, len(chars))

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.shape[1]))
        return self.head(self.ln(self.blocks(x)))


def batch(low, high, n=16):
    at = torch.randint(low, high - BLOCK - 1, (n, 1)) + torch.arange(BLOCK + 1)
    return codes[at[:, :-1]], codes[at[:, 1:]]


model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3 if args.fixed else 0.1)
for step in range(args.steps):
    x, y = batch(0, cut)
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step} loss {loss.item():.3f}")

everything = codes[: cut // BLOCK * BLOCK].view(-1, BLOCK)
model.eval()
with torch.no_grad():
    x, y = batch(cut, len(codes), 200)
    print(f"result loss {F.cross_entropy(model(x).flatten(0, 1), y.flatten()).item():.4f}")
