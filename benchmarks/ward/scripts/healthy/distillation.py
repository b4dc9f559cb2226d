"""A large teacher, trained and then left alone, and a small student that imitates it."""

import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--temperature", type=float, default=4.0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]

teacher = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 10))
student = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def epochs(model, optimizer, loss_of, count):
    for _ in range(count):
        for i in torch.randperm(len(x_train)).split(50):
            optimizer.zero_grad()
            loss = loss_of(model(x_train[i]), i)
            loss.backward()
            optimizer.step()
    return loss.item()


def hard(logits, i):
    return F.cross_entropy(logits, y_train[i])


def soft(logits, i):
    with torch.no_grad():
        target = F.softmax(teacher(x_train[i]) / args.temperature, dim=1)
    imitation = F.kl_div(
        F.log_softmax(logits / args.temperature, dim=1), target, reduction="batchmean"
    )
    return 0.9 * imitation * args.temperature**2 + 0.1 * hard(logits, i)


def score(model):
    model.eval()
    with torch.no_grad():
        return (model(x_test).argmax(1) == y_test).float().mean().item()


print("teacher", epochs(teacher, torch.optim.Adam(teacher.parameters(), lr=2e-3), hard, 12))
print("teacher accuracy", score(teacher))
print("student", epochs(student, torch.optim.Adam(student.parameters(), lr=5e-3), soft, 25))
print("result accuracy", score(student))
