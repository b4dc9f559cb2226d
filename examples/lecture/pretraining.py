"""Deep networks of sigmoids had to be pre-trained without labels; ReLU made it possible to train
from scratch, just putting the data in.

Handwritten digits, five hidden layers of 64 sigmoids. Each layer first learns, from below, to give
back what it is fed (an autoencoder), and then all of them learn the labels.
"""

from statistics import fmean

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(digits.target)
order = torch.randperm(len(x))
train, test = order[360:], order[:360]

layers = [nn.Linear(64, 64) for _ in range(5)]
hidden = [module for layer in layers for module in (layer, nn.Sigmoid())]
model = nn.Sequential(*hidden, nn.Linear(64, 10))

fed = x[train]
for number, layer in enumerate(layers, start=1):
    decoder = nn.Linear(64, 64)
    optimizer = torch.optim.Adam([*layer.parameters(), *decoder.parameters()], lr=0.003)
    for _ in range(15):
        losses = []
        for batch in torch.randperm(len(fed)).split(64):
            optimizer.zero_grad()
            loss = F.mse_loss(decoder(torch.sigmoid(layer(fed[batch]))), fed[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    print(f"layer {number}  without labels, error {fmean(losses):.4f}")
    with torch.no_grad():
        fed = torch.sigmoid(layer(fed))

optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(1, 13):
    losses = []
    for batch in train[torch.randperm(len(train))].split(64):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch:2}  loss {fmean(losses):.4f}")

with torch.no_grad():
    accuracy = (model(x[test]).argmax(1) == y[test]).float().mean()
print(f"accuracy on digits never seen {accuracy:.3f}")
