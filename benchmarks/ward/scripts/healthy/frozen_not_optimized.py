"""A new head on a pretrained body that is left out of the optimizer."""

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.preprocessing import StandardScaler
from torch import nn


@dataclass
class Config:
    seed: int = 0
    width: int = 48
    pretrain_steps: int = 200
    steps: int = 400
    lr: float = 0.05


def fit(model, parameters, x, y, steps, lr):
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=0.9)
    loss_fn = nn.BCEWithLogitsLoss()
    for _ in range(steps):
        rows = torch.randint(len(x), (64,))
        loss = loss_fn(model(x[rows]).squeeze(1), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=Config.seed)
config = Config(**vars(parser.parse_args()))
np.random.seed(config.seed)
torch.manual_seed(config.seed)

# The body is pretrained on a made-up task with as many columns.
pre_x, pre_y = make_classification(2000, 30, n_informative=15, random_state=1)
body = nn.Sequential(
    nn.Linear(30, config.width),
    nn.LeakyReLU(),
    nn.Linear(config.width, config.width),
    nn.LeakyReLU(),
)
model = nn.Sequential(body, nn.Linear(config.width, 1))
pre_x, pre_y = torch.tensor(pre_x).float(), torch.tensor(pre_y).float()
print(
    "pretraining:", fit(model, model.parameters(), pre_x, pre_y, config.pretrain_steps, config.lr)
)

x, y = load_breast_cancer(return_X_y=True)
x, y = torch.tensor(StandardScaler().fit_transform(x)).float(), torch.tensor(y).float()
x_train, y_train, x_test, y_test = x[:400], y[:400], x[400:], y[400:]
head = nn.Linear(config.width, 1)
model = nn.Sequential(body, head)
print("head:", fit(model, head.parameters(), x_train, y_train, config.steps, config.lr))
with torch.no_grad():
    right = (model(x_test).squeeze(1) > 0) == y_test.bool()
print(f"result accuracy {right.float().mean().item():.4f}")
