"""Draws what the README shows: a run that dies at too high a rate, and is healed.

python docs/plots/draw.py
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from reluctant import load, plot

HERE = Path(__file__).parent
SCRIPT = "examples/digits_mlp.py --epochs 10 --optimizer adam --lr 0.1".split()


def main() -> None:
    """Run the script once, and draw it."""
    with TemporaryDirectory() as place:
        record = Path(place) / "record"
        ours = ["run", "--quiet", "--heal", "--every", "4", "--out", str(record)]
        command = [sys.executable, "-m", "reluctant", *ours, *SCRIPT]
        subprocess.run(command, cwd=HERE.parents[1], check=True, stdout=subprocess.DEVNULL)
        figure = plot.units(load(record)).figure
        figure.savefig(HERE / "units.png", dpi=80)


if __name__ == "__main__":
    main()
