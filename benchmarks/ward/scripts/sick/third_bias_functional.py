import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset


class Net(torch.nn.Module):
    def __init__(self, n_in, n_out, hidden=48):
        super().__init__()
        self.fc1 = torch.nn.Linear(n_in, hidden)
        self.fc2 = torch.nn.Linear(hidden, hidden)
        self.fc3 = torch.nn.Linear(hidden, hidden)
        self.fc4 = torch.nn.Linear(hidden, hidden)
        self.out = torch.nn.Linear(hidden, n_out)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = F.relu(self.fc3(x))
        x = F.relu(self.fc4(x))
        return self.out(x)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--fixed", action="store_true")
    opt = p.parse_args()
    random.seed(opt.seed)
    np.random.seed(opt.seed)
    torch.manual_seed(opt.seed)

    X, y = make_classification(
        2000, 20, n_informative=12, n_classes=4, n_clusters_per_class=2, random_state=7
    )
    X_tr, X_te, y_tr, y_te = train_test_split(X.astype("float32"), y, random_state=0)
    X_tr, X_te, y_tr, y_te = map(torch.from_numpy, (X_tr, X_te, y_tr, y_te))

    net = Net(20, 4)
    if not opt.fixed:
        net.fc3.bias.data.fill_(-10)
    sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(25):
        for xb, yb in DataLoader(TensorDataset(X_tr, y_tr), batch_size=64, shuffle=True):
            loss = F.cross_entropy(net(xb), yb)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    net.eval()
    with torch.no_grad():
        acc = (net(X_te).argmax(-1) == y_te).float().mean()
    print("result accuracy", round(acc.item(), 4))
    return net, X_tr


if __name__ == "__main__":
    net, X_train = main()
