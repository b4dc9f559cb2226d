"""What docs/findings says of each finding, as HTML to be read without a network."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

# In a wheel the pages lie beside this file; in a checkout where they are written.
_PLACES = (Path(__file__).parent / "manual", Path(__file__).parents[4] / "docs" / "findings")

_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$")
_ELSEWHERE = re.compile(r"\s*\(\[[^\]]*\]\((?:\.\./|README)[^)]*\)\)")


@cache
def entry(slug: str, among: frozenset[str]) -> str | None:
    """The page of a finding as HTML, its headings two levels down; None if it is not there.

    Of its links those remain that lead to pages `among` these.
    """
    for place in _PLACES:
        path = place / f"{slug}.md"
        if path.is_file():
            return _html(path.read_text(encoding="utf-8"), among)
    return None


def _html(text: str, among: frozenset[str]) -> str:
    text = "## What it means" + text.split("\n## What it means", 1)[-1]
    formulas: list[str] = []

    def aside(found: re.Match[str]) -> str:
        """A word that Markdown leaves alone, in the place of a formula."""
        formulas.append(_mathml(found[1] or found[2], display=found[1] is not None))
        return f"@formula{len(formulas) - 1}@"

    text = _FORMULA.sub(aside, _ELSEWHERE.sub("", text))
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        elif token.type == "fence":
            token.type = "code_block"
        if token.children:
            token.children = list(_linked(token.children, among))
    html = str(markdown.renderer.render(tokens, markdown.options, {}))
    # Its code may be wider than the screen, and is then moved by keys too.
    html = html.replace("<pre>", '<pre tabindex="0">')
    return re.sub(r"@formula(\d+)@", lambda at: formulas[int(at[1])], html)


def _mathml(latex: str, display: bool) -> str:
    # It takes a tenth of a second to import: only where there is a formula.
    from latex2mathml.converter import convert

    return convert(latex, display="block" if display else "inline")


def _linked(tokens: Iterable[Token], among: frozenset[str]) -> Iterator[Token]:
    """Links within the page; the text of all others."""
    kept = False
    for token in tokens:
        if token.type == "link_open":
            page = re.fullmatch(r"([a-z-]+)\.md(#.*)?", str(token.attrs.get("href", "")))
            kept = page is not None and page[1] in among
            if page is not None:
                token.attrs["href"] = f"#page-{page[1]}"
        if kept or token.type not in ("link_open", "link_close"):
            yield token
