"""Two graph convolutions; most nodes have no label."""

import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class GraphConvolution(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adjacency):
        return adjacency @ (x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass, dropout=0.5):
        super().__init__()
        self.gc1 = GraphConvolution(nfeat, nhid)
        self.gc2 = GraphConvolution(nhid, nclass)
        self.dropout = dropout

    def forward(self, x, adjacency):
        x = F.relu(self.gc1(x, adjacency))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adjacency), dim=1)


def community_graph(nodes, classes, inside=0.03, outside=0.003):
    labels = torch.arange(nodes) % classes
    same = labels[:, None] == labels[None, :]
    upper = (torch.rand(nodes, nodes) < torch.where(same, inside, outside)).triu(1).float()
    adjacency = upper + upper.T + torch.eye(nodes)
    degree = adjacency.sum(1).rsqrt()
    adjacency = degree[:, None] * adjacency * degree[None, :]
    features = torch.randn(classes, 32)[labels] * 0.5 + torch.randn(nodes, 32)
    return features, adjacency, labels


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=200)
args = parser.parse_args()
np.random.seed(args.seed)
torch.manual_seed(args.seed)

features, adjacency, labels = community_graph(600, 4)
perm = torch.randperm(600)
idx_train, idx_test = perm[:80], perm[80:]
model = GCN(32, 16, 4)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for epoch in range(args.epochs):
    model.train()
    optimizer.zero_grad()
    loss = F.nll_loss(model(features, adjacency)[idx_train], labels[idx_train])
    loss.backward()
    optimizer.step()
    if epoch % 40 == 0:
        print(f"Epoch {epoch:03d} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    right = model(features, adjacency)[idx_test].argmax(1) == labels[idx_test]
print(f"result accuracy {right.float().mean().item():.4f}")
