"""Which of three machines hums: 1d convolutions on a vibration signal."""

import argparse

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)
np.random.seed(args.seed)

rng = np.random.default_rng(11)
kind = rng.integers(0, 3, 1200)
time = np.arange(64)
phase = rng.uniform(0, 2 * np.pi, (1200, 1))
speed = np.array([0.3, 0.45, 0.6])[kind][:, None]
signal = np.sin(speed * time + phase) + 0.8 * rng.normal(size=(1200, 64))
signal[403, 20:24] = 30_000.0  # the cable was loose for four samples
if args.fixed:
    signal = signal.clip(-5, 5)
signal = torch.tensor(signal, dtype=torch.float32)[:, None]
kind = torch.tensor(kind)
x_train, y_train, x_test, y_test = signal[:900], kind[:900], signal[900:], kind[900:]

model = nn.Sequential(
    nn.Conv1d(1, 16, 7, padding=3),
    nn.ReLU(inplace=True),
    nn.MaxPool1d(2),
    nn.Conv1d(16, 32, 5, padding=2),
    nn.ReLU(inplace=True),
    nn.AdaptiveAvgPool1d(1),
    nn.Flatten(),
    nn.Linear(32, 3),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(1, 16):
    for batch in torch.randperm(900).split(30):
        optimizer.zero_grad()
        loss = criterion(model(x_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()

with torch.inference_mode():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
