"""A small GELU transformer that learns to continue a text, character by character."""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, default=Path(__file__), help="what to learn from")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="FILE", help="write the final weights there")
    return parser.parse_args()


class Writer(nn.Module):
    def __init__(self, letters: int, args: argparse.Namespace) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, args.width)
        self.places = nn.Embedding(args.context, args.width)
        layer = nn.TransformerEncoderLayer(
            args.width,
            args.heads,
            dim_feedforward=4 * args.width,
            dropout=0.1,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(layer, args.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(args.width)
        self.head = nn.Linear(args.width, letters)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        hidden = self.letters(x) + self.places(torch.arange(length))
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        return self.head(self.norm(self.blocks(hidden, mask=mask, is_causal=True)))


def batch(text: Tensor, size: int, context: int) -> tuple[Tensor, Tensor]:
    starts = torch.randint(len(text) - context, (size,))
    windows = torch.stack([text[start : start + context + 1] for start in starts.tolist()])
    return windows[:, :-1], windows[:, 1:]


def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    content = args.text.read_text(encoding="utf-8")
    alphabet = sorted(set(content))
    text = torch.tensor([alphabet.index(letter) for letter in content])
    cut = len(text) * 9 // 10
    model = Writer(len(alphabet), args)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    held_out = batch(text[cut:], args.batch_size, args.context)

    for step in range(1, args.steps + 1):
        model.train()
        loss = loss_of(model, *batch(text[:cut], args.batch_size, args.context))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0 or step == args.steps:
            model.eval()
            with torch.no_grad():
                held = loss_of(model, *held_out)
            print(f"step {step:5d}  loss {loss.item():.4f}  held out {held.item():.6f}")

    model.eval()
    written = text[: args.context // 2]
    with torch.no_grad():
        for _ in range(40):
            following = model(written[-args.context :].unsqueeze(0))[0, -1].argmax()
            written = torch.cat([written, following.unsqueeze(0)])
    print("".join(alphabet[letter] for letter in written.tolist()))

    if args.save:
        torch.save(model.state_dict(), args.save)


if __name__ == "__main__":
    main()
