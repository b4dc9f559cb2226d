"""A sparse autoencoder with an L1 penalty on activations that are sums of a few features."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class SparseAutoencoder(nn.Module):
    def __init__(self, d_model: int, d_latent: int):
        super().__init__()
        self.W_enc = nn.Parameter(torch.empty(d_model, d_latent))
        self.b_enc = nn.Parameter(torch.zeros(d_latent))
        self.W_dec = nn.Parameter(torch.empty(d_latent, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        nn.init.kaiming_uniform_(self.W_enc)
        with torch.no_grad():
            self.W_dec.copy_(F.normalize(self.W_enc.t(), dim=1))

    def encode(self, x):
        return F.relu((x - self.b_dec) @ self.W_enc + self.b_enc)

    def forward(self, x):
        latents = self.encode(x)
        return latents @ self.W_dec + self.b_dec, latents


def features(n, directions, rate=0.04):
    on = (torch.rand(n, len(directions)) < rate).float()
    return (on * (0.5 + torch.rand(n, len(directions)))) @ directions


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--l1", type=float, default=0.03)
args = parser.parse_args()
np.random.seed(args.seed)
torch.manual_seed(args.seed)

directions = F.normalize(torch.randn(96, 48), dim=1)
train = features(8192, directions)
test = features(2048, directions)
sae = SparseAutoencoder(48, 128)
optimizer = torch.optim.Adam(sae.parameters(), lr=2e-3)
for step in range(1200):
    x = train[torch.randint(len(train), (256,))]
    out, latents = sae(x)
    loss = (out - x).pow(2).sum(-1).mean() + args.l1 * latents.sum(-1).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        sae.W_dec.copy_(F.normalize(sae.W_dec, dim=1))
    if step % 200 == 0:
        l0 = (latents > 0).float().sum(-1).mean().item()
        print(f"step {step} loss {loss.item():.4f} active {l0:.1f}")

with torch.no_grad():
    out, latents = sae(test)
    unexplained = (out - test).pow(2).sum() / (test - test.mean(0)).pow(2).sum()
print(f"result loss {unexplained.item():.4f}")
