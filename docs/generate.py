"""Writes docs/functions, docs/findings and docs/lecture.md.

    python docs/generate.py [--examples WARD] [--lecture RUN ...]

A function's page is made of its facts. A finding's is written by hand in docs/templates, and has
put in: the thresholds as the rules have them, `{dead.HALF percent}`, links to scripts of the ward,
`{sick/third_bias}`, an example, `{example sick/third_bias}`, and the `{mistakes}`. With --examples
the last two are taken anew from the runs with seed 0 in WARD, a folder that `python -m
benchmarks.ward --rediagnose` has been through. The lecture's page is made of its numbers.json;
--lecture takes that, and the figures, from folders of `reluctant lecture`. A test fails where a
page is not what this writes.
"""

import argparse
import json
import re
import sys
from io import BytesIO, TextIOWrapper
from operator import attrgetter
from pathlib import Path
from textwrap import dedent
from typing import Any

from reluctant import diagnosis
from reluctant.activations import CATALOGUE, FAMILIES, SHAPED, lookup
from reluctant.facts import facts
from reluctant.lecture import outcome, pages
from reluctant.lecture.claims import CLAIMS
from reluctant.record.reader import load
from reluctant.report import curves, terminal
from reluctant.report.functions import rows
from reluctant.words import percent

DOCS = Path(__file__).parent
FUNCTIONS, FINDINGS, TEMPLATES = DOCS / "functions", DOCS / "findings", DOCS / "templates"
EXAMPLES = FINDINGS / "examples"
LECTURE = DOCS / "lecture"
WARD = "../../benchmarks/ward/scripts"

# -- functions --------------------------------------------------------------------------------


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


def functions() -> dict[str, str]:
    """Every page of a function by its file's name."""
    entries = {name: facts(lookup(name)) for name in (*CATALOGUE, *SHAPED)}
    return {"README.md": index(entries)} | {
        f"{name}.md": page(entry) for name, entry in entries.items()
    }


# -- findings ---------------------------------------------------------------------------------

_EXAMPLE = re.compile(r"\{example (\w+)/(\w+)\}")
_SCRIPT = re.compile(r"\{(sick|healthy)/(\w+)\}")
_THRESHOLD = re.compile(r"\{([a-z]+(?:\.\w+)+)(?: (\w+))?\}")
_SHOWN = {None: "{:,g}".format, "percent": percent, "inverse": lambda at: f"{1 / at:,.0f}"}

# A longer table of layers would hide the finding below it.
MOST_LINES = 12


def template(name: str) -> str:
    """What was written by hand."""
    return (TEMPLATES / f"{name}.md").read_text(encoding="utf-8")


def filled(name: str) -> str:
    """A template with today's thresholds, its example and its links."""

    def example(found: re.Match[str]) -> str:
        said = (EXAMPLES / f"{name}.txt").read_text(encoding="utf-8")
        return f"`reluctant diagnose` of {{{found[1]}/{found[2]}}}, seed 0:\n\n```\n{said}```"

    def threshold(found: re.Match[str]) -> str:
        return _SHOWN[found[2]](attrgetter(found[1])(diagnosis))

    text = _EXAMPLE.sub(example, template(name)).replace("{mistakes}", mistakes(name))
    text = _SCRIPT.sub(rf"[\2]({WARD}/\1/\2.py)", text)
    text = _THRESHOLD.sub(threshold, text)
    return f"<!-- Written by docs/generate.py from docs/templates/{name}.md. -->\n\n{text}"


def findings() -> dict[str, str]:
    """Every page of a finding by its file's name, in the order of the rules."""
    slugs = [rule.slug for rule in diagnosis.RULES]
    # A page's first paragraph says what the finding says.
    says = {slug: template(slug).split("\n\n")[1].replace("\n", " ") for slug in slugs}
    lines = ["| finding | what it says |", "|---|---|"]
    lines += [f"| [`{slug}`]({slug}.md) | {text} |" for slug, text in says.items()]
    table = "\n".join(lines)
    return {"README.md": filled("README").replace("{findings}", table)} | {
        f"{slug}.md": filled(slug) for slug in slugs
    }


def mistakes(slug: str) -> str:
    """Where the ward shows the finding to be wrong, by kind, as a list."""
    kinds = json.loads((EXAMPLES / "mistakes.json").read_text(encoding="utf-8"))
    return "\n".join(
        f"- {kind}: " + (", ".join(f"{{{at}}}" for at in scripts.get(slug, ())) or "none")
        for kind, scripts in kinds.items()
    )


def judged(ward: Path) -> dict[str, dict[str, list[str]]]:
    """The scripts for `mistakes`, by kind and slug, as the ward judges its runs."""
    sys.path.append(str(DOCS.parent))  # benchmarks are not installed
    from benchmarks.ward.healthy import HEALTHY
    from benchmarks.ward.judge import accepted, sort
    from benchmarks.ward.runs import Run, Ward
    from benchmarks.ward.sick import SICK

    outcomes = Ward(ward).examine([*SICK, *HEALTHY], [0], 1, diagnose=False, run=False)
    sick, spared, healthy = sort(run for run in outcomes if isinstance(run, Run))
    kinds: dict[str, dict[str, list[str]]] = {"missed": {}, "wrong cause": {}, "false alarm": {}}

    def note(kind: str, slug: str, run: Run) -> None:
        script = run.case.script
        kinds[kind].setdefault(slug, []).append(f"{script.parent.name}/{script.stem}")

    for run in sick:
        right = accepted(run)
        if right is None:
            for slug in run.case.findings:
                note("missed", slug, run)
        elif (causes := run.case.findings[right.slug]) and right.cause not in causes:
            note("wrong cause", right.slug, run)
    for run in [*spared, *healthy]:
        for slug in sorted({alarm.slug for alarm in run.alarms}):
            note("false alarm", slug, run)
    return kinds


def cut(ward: Path) -> None:
    """Write the example of every finding, out of what is said of its script's run, and mistakes."""
    EXAMPLES.mkdir(exist_ok=True)
    kinds = json.dumps(judged(ward), indent=2)
    (EXAMPLES / "mistakes.json").write_text(kinds + "\n", encoding="utf-8")
    for slug in [rule.slug for rule in diagnosis.RULES]:
        _, script = _EXAMPLE.search(template(slug)).groups()  # type: ignore[union-attr]
        run = load(ward / script / "0" / "record")
        stream = TextIOWrapper(BytesIO(), encoding="utf-8")
        terminal.show(terminal.verdict(run, diagnosis.diagnose(run), whole=True), stream)
        stream.seek(0)
        (EXAMPLES / f"{slug}.txt").write_text(excerpt(stream.read(), slug), encoding="utf-8")


def excerpt(said: str, slug: str) -> str:
    """The table of layers, where it is short, and the first finding with this slug."""
    _, table, *blocks = said.strip().split("\n\n")
    found = [block for block in blocks if block.split()[2] == slug]
    if not found:
        raise SystemExit(f"no {slug} is found any more: take another script for its example")
    shown = [table] if table.count("\n") <= MOST_LINES else []
    return dedent("\n\n".join([*shown, found[0]])) + "\n"


# -- lecture ----------------------------------------------------------------------------------


def lecture() -> dict[str, str]:
    """The page of the experiments, from the numbers that are kept."""
    return {"lecture.md": pages.page(outcome.load(LECTURE / "numbers.json"), LECTURE.name)}


def taken(folders: list[Path]) -> None:
    """Keep the numbers of these runs; of a claim that several have, those of the last."""
    found = {
        at.claim.name: at for folder in folders for at in outcome.load(folder / "numbers.json")
    }
    shown = [found[name] for name in CLAIMS if name in found]
    (LECTURE / "numbers.json").write_text(outcome.dumps(shown), encoding="utf-8")
    pages.draw(shown, LECTURE)


# -- all --------------------------------------------------------------------------------------


def texts() -> dict[str, str]:
    """Every page by its place in docs."""
    return (
        {f"functions/{name}": text for name, text in functions().items()}
        | {f"findings/{name}": text for name, text in findings().items()}
        | lecture()
    )


def main() -> None:
    """Write them all anew."""
    head, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=head, epilog=rest)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--examples", type=Path, metavar="WARD", help="cut the examples anew")
    parser.add_argument(
        "--lecture",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="take the lecture's numbers from here",
    )
    args = parser.parse_args()
    if args.lecture is not None:
        taken(args.lecture)
    if args.examples is not None:
        cut(args.examples)
    pages = texts()
    for old in [*FUNCTIONS.iterdir(), *FINDINGS.glob("*.md")]:
        old.unlink()
    for name, text in pages.items():
        (DOCS / name).write_text(text, encoding="utf-8")
    for activation in CATALOGUE.values():
        curves.draw([facts(activation)], FUNCTIONS / f"{activation.name}.svg")


if __name__ == "__main__":
    main()
