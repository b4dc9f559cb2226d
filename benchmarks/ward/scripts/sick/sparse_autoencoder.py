"""Sparse autoencoder on superposed features, as for the activations of a language model."""

import argparse
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Config:
    dim: int = 48
    features: int = 128
    latents: int = 192
    l1: float = 0.05
    lr: float = 0.03
    steps: int = 1000
    batch: int = 128


class SAE(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.b_dec = nn.Parameter(torch.zeros(cfg.dim))
        self.W_dec = nn.Parameter(nn.functional.normalize(torch.randn(cfg.latents, cfg.dim), dim=1))
        self.W_enc = nn.Parameter(self.W_dec.data.t().clone())
        self.b_enc = nn.Parameter(torch.zeros(cfg.latents))

    def encode(self, x):
        return torch.relu((x - self.b_dec) @ self.W_enc + self.b_enc)

    def forward(self, x):
        latents = self.encode(x)
        return latents @ self.W_dec + self.b_dec, latents


def draw(cfg, n, dictionary):
    active = (torch.rand(n, cfg.features) < 0.02).float()
    return (active * torch.rand(n, cfg.features)) @ dictionary


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    args = parser.parse_args()
    cfg = Config(lr=0.005) if args.fixed else Config()

    torch.manual_seed(1234)
    dictionary = nn.functional.normalize(torch.randn(cfg.features, cfg.dim), dim=1)
    data, held_out = draw(cfg, 8192, dictionary), draw(cfg, 1024, dictionary)

    torch.manual_seed(args.seed)
    sae = SAE(cfg)
    optimizer = torch.optim.Adam(sae.parameters(), lr=cfg.lr, betas=(0.9, 0.999))
    for step in range(cfg.steps):
        x = data[torch.randint(len(data), (cfg.batch,))]
        recon, latents = sae(x)
        mse = (recon - x).pow(2).sum(-1).mean()
        loss = mse + cfg.l1 * latents.sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            sae.W_dec.data = nn.functional.normalize(sae.W_dec.data, dim=1)
        if step % 200 == 0:
            l0 = (latents > 0).float().sum(-1).mean()
            print(f"{step:5d} mse {mse.item():.4f} l0 {l0.item():.1f}")

    with torch.no_grad():
        recon, latents = sae(held_out)
        loss = (recon - held_out).pow(2).sum(-1).mean() + cfg.l1 * latents.sum(-1).mean()
    print(f"result loss {loss.item():.5f}")
