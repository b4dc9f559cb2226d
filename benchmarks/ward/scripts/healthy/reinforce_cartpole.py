"""REINFORCE on a pole that has to be balanced; the physics are in the script."""

import argparse
import math
import random

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)


class CartPoles:
    """Many of them side by side; those that have fallen stay down."""

    def __init__(self, n):
        self.state = (torch.rand(n, 4) - 0.5) * 0.1
        self.alive = torch.ones(n, dtype=torch.bool)

    def step(self, action):
        x, v, a, w = self.state.unbind(1)
        force = action.float() * 20 - 10
        push = (force + 0.05 * w**2 * a.sin()) / 1.1
        spin = (9.8 * a.sin() - a.cos() * push) / (0.5 * (4 / 3 - 0.1 * a.cos() ** 2 / 1.1))
        accel = push - 0.05 * spin * a.cos() / 1.1
        moved = torch.stack([x + 0.02 * v, v + 0.02 * accel, a + 0.02 * w, w + 0.02 * spin], 1)
        self.state = torch.where(self.alive[:, None], moved, self.state)
        fallen = (self.state[:, 0].abs() > 2.4) | (self.state[:, 2].abs() > 12 * math.pi / 180)
        self.alive &= ~fallen
        return self.state


policy = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
HORIZON = 60


def play(n):
    env = CartPoles(n)
    state, states, log_probs, alive = env.state, [], [], []
    for _ in range(HORIZON):
        choice = Categorical(logits=policy(state), validate_args=False)
        action = choice.sample()
        states.append(state)
        alive.append(env.alive.clone())
        log_probs.append(choice.log_prob(action))
        state = env.step(action)
    return torch.stack(states), torch.stack(log_probs), torch.stack(alive).float()


for update in range(150):
    states, log_probs, reward = play(16)
    returns = torch.zeros_like(reward)
    running = torch.zeros(reward.shape[1])
    for t in reversed(range(HORIZON)):
        running = reward[t] + 0.98 * running
        returns[t] = running
    advantage = (returns - returns.mean()) / (returns.std() + 1e-8)
    loss = -(log_probs * advantage * reward).sum() / reward.sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if update % 25 == 0:
        print(f"update {update}: mean length {reward.sum(0).mean():.0f}")

with torch.no_grad():
    states, _, reward = play(100)
print(f"result accuracy {reward.mean():.3f}")
