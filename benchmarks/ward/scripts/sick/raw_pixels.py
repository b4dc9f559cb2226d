"""Raw 8-bit images and a plain convolutional network."""

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
        self.conv1 = nn.Conv2d(1, 16, 3)
        self.conv2 = nn.Conv2d(16, 32, 3)
        self.fc1 = nn.Linear(32 * 4, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc2(x)


images, labels = load_digits(return_X_y=True)
images = (torch.tensor(images) * 255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)
labels = torch.tensor(labels)


def batch_of(index):
    pixels = images[index].float()
    return pixels / 127.5 - 1 if args.fixed else pixels


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
for step in range(400):
    index = torch.randint(1300, (32,))
    loss = F.cross_entropy(net(batch_of(index)), labels[index])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: {loss.item():.4f}")
with torch.no_grad():
    correct = net(batch_of(slice(1300, None))).argmax(1) == labels[1300:]
print(f"result accuracy {correct.float().mean().item():.4f}")
