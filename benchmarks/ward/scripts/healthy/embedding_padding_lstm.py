"""Brackets: is a sequence of round, square and curly ones balanced? Sequences are padded."""

import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

# The vocabulary is larger than what occurs: most rows of the table are never used.
VOCABULARY = 100
PAIRS = {1: 2, 3: 4, 5: 6}


def balanced(length):
    sequence, stack = [], []
    while len(sequence) + len(stack) < length:
        if stack and random.random() < 0.5:
            sequence.append(stack.pop())
        else:
            opening = random.choice([1, 1, 1, 3, 3, 5])
            sequence.append(opening)
            stack.append(PAIRS[opening])
    return sequence + stack[::-1]


def example():
    sequence = balanced(random.randrange(4, 13))
    label = random.random() < 0.5
    if not label:
        sequence[random.randrange(len(sequence))] = random.randrange(1, 7)
        label = is_balanced(sequence)
    return torch.tensor(sequence), float(label)


def is_balanced(sequence):
    stack = []
    for token in sequence:
        if token in PAIRS:
            stack.append(PAIRS[token])
        elif not stack or stack.pop() != token:
            return False
    return not stack


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.head = nn.Linear(32, 1)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(
            self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        _, (hidden, _) = self.lstm(packed)
        return self.head(hidden[-1]).squeeze(-1)


def collate(examples):
    sequences, labels = zip(*examples)
    lengths = torch.tensor([len(s) for s in sequences])
    return pad_sequence(sequences, batch_first=True), lengths, torch.tensor(labels)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    tokens, lengths, labels = collate([example() for _ in range(3000)])
    model = Reader()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    loss_fn = nn.BCEWithLogitsLoss()
    for step in range(450):
        rows = torch.randint(len(tokens), (32,))
        loss = loss_fn(model(tokens[rows], lengths[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: {loss.item():.3f}")
    t, l, y = collate([example() for _ in range(500)])
    with torch.no_grad():
        accuracy = ((model(t, l) > 0) == (y > 0.5)).float().mean()
    print(f"result accuracy {accuracy:.3f}")
