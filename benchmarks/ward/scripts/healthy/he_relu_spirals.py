import argparse
import math
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", default=0, type=int)
seed = parser.parse_args().seed
torch.manual_seed(seed)
np.random.seed(seed)
random.seed(seed)


def spirals(n, arms=3, noise=0.12):
    t = torch.rand(n, 1).sqrt() * 2.2 * math.pi
    arm = torch.randint(arms, (n, 1))
    angle = t + arm * 2 * math.pi / arms
    points = torch.cat([t * angle.cos(), t * angle.sin()], dim=1) / 4
    return points + noise * torch.randn(n, 2) / 4, arm.squeeze(1)


class Net(nn.Module):
    def __init__(self, width=100):
        super().__init__()
        self.fc1 = nn.Linear(2, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, width)
        self.fc4 = nn.Linear(width, width)
        self.out = nn.Linear(width, 3)
        for name, p in self.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_uniform_(p, nonlinearity="relu")
            else:
                nn.init.zeros_(p)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = F.relu(self.fc3(x))
        x = F.relu(self.fc4(x))
        return self.out(x)


x_train, y_train = spirals(1500)
x_test, y_test = spirals(1500)
net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
for step in range(1200):
    idx = torch.randint(len(x_train), (64,))
    loss = F.cross_entropy(net(x_train[idx]), y_train[idx])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 200 == 0:
        print(step, loss.item())

with torch.no_grad():
    correct = net(x_test).argmax(dim=1).eq(y_test).sum().item()
print("result accuracy", round(correct / len(y_test), 4))
