"""Digits, each pixel divided by its spread over the training set."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


images, labels = load_digits(return_X_y=True)
images = torch.tensor(images, dtype=torch.float32)
labels = torch.tensor(labels)
spread = images[:1300].std(0)  # some pixels are always dark
if args.fixed:
    spread = spread + 1
images = (images - images[:1300].mean(0)) / spread
x_train = images[:1300]

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for step in range(400):
    batch = torch.randint(1300, (32,))
    loss = F.cross_entropy(net(x_train[batch]), labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    accuracy = (net(images[1300:]).argmax(1) == labels[1300:]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
