"""A GAN that learns eight Gaussians on a ring, as in many tutorials."""

import argparse
import math
import random

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, default=1200)
parser.add_argument("--latent", type=int, default=8)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

angles = torch.arange(8) * math.pi / 4
centres = torch.stack([angles.cos(), angles.sin()], 1)
data = centres[torch.randint(8, (5000,))] + 0.1 * torch.randn(5000, 2)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(args.latent, 64),
            nn.ReLU(True),
            nn.Linear(64, 64),
            nn.ReLU(True),
            nn.Linear(64, 2),
        )

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(2, 64),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(64, 64),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(64, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.main(x)


netG, netD = Generator(), Discriminator()
criterion = nn.BCELoss()
optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-3, betas=(0.5, 0.999))
optimizerG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
real_label, fake_label = torch.ones(128, 1), torch.zeros(128, 1)
for step in range(args.steps):
    real = data[torch.randint(len(data), (128,))]
    netD.zero_grad()
    errD_real = criterion(netD(real), real_label)
    errD_real.backward()
    fake = netG(torch.randn(128, args.latent))
    errD_fake = criterion(netD(fake.detach()), fake_label)
    errD_fake.backward()
    optimizerD.step()

    netG.zero_grad()
    errG = criterion(netD(fake), real_label)
    errG.backward()
    optimizerG.step()
    if step % 300 == 0:
        print(f"[{step}] Loss_D {(errD_real + errD_fake).item():.3f} Loss_G {errG.item():.3f}")

# The share of samples that lie on the ring, near one of the centres.
noise = torch.randn(2000, args.latent)
with torch.no_grad():
    nearest = torch.cdist(netG(noise), centres).min(1).values
print(f"result accuracy {(nearest < 0.3).float().mean():.4f}")
