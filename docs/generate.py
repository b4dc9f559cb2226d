"""Writes docs/functions: a page and a picture for every activation function.

    python docs/generate.py

A test fails where a page is not what this would write.
"""

from pathlib import Path
from typing import Any

from reluctant.activations import CATALOGUE, FAMILIES, SHAPED, lookup
from reluctant.facts import facts
from reluctant.report import curves
from reluctant.report.functions import rows

FOLDER = Path(__file__).parent / "functions"


def page(entry: dict[str, Any]) -> str:
    """One function, in Markdown."""
    name = entry["name"]
    lines = [f"# {name}", "", f"$$f(z) = {entry['latex']}$$", ""]
    if "curve" in entry:
        lines += [f"![{name} and its derivative from -6 to 6]({name}.svg)", ""]
    lines += ["| | |", "|---|---|"]
    for title, text in rows(entry).items():
        if text:
            quoted = text.replace("|", "\\|")
            lines.append(f"| {title} | {f'`{quoted}`' if title == 'formula' else quoted} |")
    return "\n".join(lines) + "\n"


def index(entries: dict[str, dict[str, Any]]) -> str:
    """The list of all, family by family."""
    lines = [
        "# Activation functions",
        "",
        "Written by `python docs/generate.py` from the catalogue; `reluctant functions` shows the",
        "same on a terminal. *keeps*: bytes for the backward pass per input element (float32,",
        'between two linear layers); after the slash with `lean=True`, or `lean="bit"` where',
        "there is that.",
    ]
    families = {family: [at.name for at in of] for family, of in FAMILIES.items()}
    families["of another shape"] = list(SHAPED)
    for family, names in families.items():
        lines += ["", f"## {family.capitalize()}", ""]
        lines += ["| function | formula | flat where | gain | keeps |", "|---|---|---|---|---|"]
        for name in names:
            entry = entries[name]
            cells = rows(entry, short=True)
            flat = cells["flat where"] if entry["flat"] else ""
            lines.append(
                f"| [{name}]({name}.md) | ${entry['latex']}$ | {flat} "
                f"| {cells['gain']} | {cells['keeps']} |".replace("|z|", "\\|z\\|")
            )
    return "\n".join(lines) + "\n"


def texts() -> dict[str, str]:
    """Every page by its file's name."""
    entries = {name: facts(lookup(name)) for name in (*CATALOGUE, *SHAPED)}
    return {"README.md": index(entries)} | {
        f"{name}.md": page(entry) for name, entry in entries.items()
    }


def main() -> None:
    """Write them all anew."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for activation in CATALOGUE.values():
        curves.draw([facts(activation)], FOLDER / f"{activation.name}.svg")


if __name__ == "__main__":
    main()
