"""Breast cancer from thirty measurements, some near 0.01 and some near 1000."""

import argparse

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=1)
if args.fixed:
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
X_train, X_test = torch.FloatTensor(X_train), torch.FloatTensor(X_test)
y_train, y_test = torch.FloatTensor(y_train), torch.FloatTensor(y_test)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(30, 16)
        self.layer2 = nn.Linear(16, 16)
        self.out = nn.Linear(16, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        x = self.sigmoid(self.layer1(x))
        x = self.sigmoid(self.layer2(x))
        return self.out(x)


model = Classifier()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(60):
    for i in range(0, len(X_train), 32):
        optimizer.zero_grad()
        out = model(X_train[i : i + 32]).squeeze(1)
        loss = criterion(out, y_train[i : i + 32])
        loss.backward()
        optimizer.step()

model.eval()
with torch.no_grad():
    predicted = (model(X_test).squeeze(1) > 0).float()
print(f"result accuracy {(predicted == y_test).float().mean().item():.4f}")
