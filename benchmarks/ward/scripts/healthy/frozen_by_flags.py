# Transfer: a network learns to tell six digits apart, then its body is frozen and a new head
# learns the other four.
import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
opt = parser.parse_args()
random.seed(opt.seed)
np.random.seed(opt.seed)
torch.manual_seed(opt.seed)


class Backbone(nn.Module):
    def __init__(self):
        super(Backbone, self).__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(32 * 2 * 2, 64)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        return self.relu(self.fc(x.flatten(1)))


def train(model, x, y, steps, lr):
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = optim.Adam(params, lr=lr)
    criterion = nn.CrossEntropyLoss()
    for step in range(steps):
        idx = torch.randint(0, len(x), (32,))
        optimizer.zero_grad()
        loss = criterion(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print("step %d loss %.4f" % (step, loss.item()))


digits = load_digits()
images = torch.tensor(digits.images / 16, dtype=torch.float32).unsqueeze(1)
labels = torch.tensor(digits.target)
old, new = labels < 6, labels >= 6

model = nn.Sequential(Backbone(), nn.Linear(64, 6))
train(model, images[old], labels[old], 250, 1e-3)

for p in model[0].parameters():
    p.requires_grad = False
model[1] = nn.Linear(64, 4)
x, y = images[new], labels[new] - 6
cut = len(x) * 3 // 4
x_train = x[:cut]
train(model, x_train, y[:cut], 400, 1e-2)

model.eval()
with torch.no_grad():
    acc = (model(x[cut:]).argmax(1) == y[cut:]).double().mean()
print("result accuracy %.4f" % acc)
