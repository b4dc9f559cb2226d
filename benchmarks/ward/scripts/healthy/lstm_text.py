"""A character model with an LSTM, on the source of a module that every Python has."""

import argparse
import bisect
import heapq
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn


class CharRNN(nn.Module):
    def __init__(self, vocab, hidden=64):
        super().__init__()
        self.embed = nn.Embedding(vocab, 24)
        self.rnn = nn.LSTM(24, hidden, num_layers=2, dropout=0.1, batch_first=True)
        self.decoder = nn.Linear(hidden, vocab)

    def forward(self, x, state=None):
        out, state = self.rnn(self.embed(x), state)
        return self.decoder(out), state


class Trainer:
    def __init__(self, model, text, lr):
        self.model = model
        self.text = text
        self.optimizer = torch.optim.RMSprop(model.parameters(), lr=lr)
        self.criterion = nn.CrossEntropyLoss()

    def train_epoch(self, length=25):
        self.model.train()
        state = None
        losses = []
        for start in range(0, self.text.shape[1] - 1 - length, length):
            x = self.text[:, start : start + length]
            y = self.text[:, start + 1 : start + length + 1]
            if state is not None:
                state = tuple(s.detach() for s in state)
            self.optimizer.zero_grad()
            logits, state = self.model(x, state)
            loss = self.criterion(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 5)
            self.optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)

    @torch.no_grad()
    def evaluate(self, held_out):
        self.model.eval()
        logits, _ = self.model(held_out[:, :-1])
        return self.criterion(logits.transpose(1, 2), held_out[:, 1:]).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=7)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    text = Path(heapq.__file__).read_text(encoding="utf-8")
    text += Path(bisect.__file__).read_text(encoding="utf-8")
    chars = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([chars[c] for c in text])[: len(text) // 16 * 16].view(16, -1)
    cut = int(ids.shape[1] * 0.9)
    train, held_out = ids[:, :cut], ids[:, cut:]
    trainer = Trainer(CharRNN(len(chars)), train, lr=4e-3)
    for epoch in range(args.epochs):
        print("epoch", epoch, "train", round(trainer.train_epoch(), 3))
    model = trainer.model
    print("result loss", round(trainer.evaluate(held_out), 4))
