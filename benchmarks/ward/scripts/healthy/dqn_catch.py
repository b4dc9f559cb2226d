"""Deep Q-learning as in the tutorials: replay memory, target network, epsilon-greedy, Huber loss.

The game: a ball falls through a 7 x 7 field, and a paddle at the bottom has to catch it.
"""

import argparse
import math
import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))
SIZE = 7


class Catch:
    def reset(self):
        self.ball, self.height, self.paddle = random.randrange(SIZE), 0, random.randrange(SIZE)
        return self.state()

    def state(self):
        state = torch.zeros(1, SIZE, SIZE)
        state[0, self.height, self.ball] = 1
        state[0, SIZE - 1, self.paddle] = 1
        return state.flatten(1)

    def step(self, action):
        self.paddle = min(max(self.paddle + action - 1, 0), SIZE - 1)
        self.height += 1
        if self.height < SIZE - 1:
            return self.state(), 0.0
        return None, 1.0 if self.ball == self.paddle else -1.0


class DQN(nn.Module):
    def __init__(self, n_observations, n_actions):
        super(DQN, self).__init__()
        self.layer1 = nn.Linear(n_observations, 128)
        self.layer2 = nn.Linear(128, 128)
        self.layer3 = nn.Linear(128, n_actions)

    def forward(self, x):
        x = F.relu(self.layer1(x))
        x = F.relu(self.layer2(x))
        return self.layer3(x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
SEED = parser.parse_args().seed
random.seed(SEED)
np.random.seed(SEED)
torch.manual_seed(SEED)

BATCH_SIZE = 64
GAMMA = 0.95
EPS_START, EPS_END, EPS_DECAY = 0.9, 0.05, 500
TAU = 0.01
policy_net = DQN(SIZE * SIZE, 3)
target_net = DQN(SIZE * SIZE, 3)
target_net.load_state_dict(policy_net.state_dict())
optimizer = optim.AdamW(policy_net.parameters(), lr=1e-3, amsgrad=True)
memory = deque([], maxlen=5000)
steps_done = 0


def select_action(state):
    eps = EPS_END + (EPS_START - EPS_END) * math.exp(-steps_done / EPS_DECAY)
    if random.random() < eps:
        return torch.tensor([[random.randrange(3)]])
    with torch.no_grad():
        return policy_net(state).max(1).indices.view(1, 1)


def optimize_model():
    if len(memory) < BATCH_SIZE:
        return
    batch = Transition(*zip(*random.sample(memory, BATCH_SIZE)))
    non_final_mask = torch.tensor([s is not None for s in batch.next_state])
    non_final_next_states = torch.cat([s for s in batch.next_state if s is not None])
    state_action_values = policy_net(torch.cat(batch.state)).gather(1, torch.cat(batch.action))
    next_state_values = torch.zeros(BATCH_SIZE)
    with torch.no_grad():
        next_state_values[non_final_mask] = target_net(non_final_next_states).max(1).values
    expected = next_state_values * GAMMA + torch.tensor(batch.reward)
    loss = nn.SmoothL1Loss()(state_action_values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()


env = Catch()
for episode in range(320):
    state = env.reset()
    while state is not None:
        action = select_action(state)
        steps_done += 1
        next_state, reward = env.step(action.item())
        memory.append(Transition(state, action, next_state, reward))
        state = next_state
        optimize_model()
        weights = target_net.state_dict()
        for key, value in policy_net.state_dict().items():
            weights[key] = value * TAU + weights[key] * (1 - TAU)
        target_net.load_state_dict(weights)

caught = 0
for episode in range(300):
    state = env.reset()
    while state is not None:
        with torch.no_grad():
            state, reward = env.step(policy_net(state).argmax().item())
    caught += reward > 0
states = torch.cat([transition.state for transition in memory])
print("result accuracy", caught / 300)
