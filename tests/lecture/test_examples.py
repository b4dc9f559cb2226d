"""The scripts of examples/lecture state what the claims do, and come to what the table says."""

import re
from pathlib import Path

import pytest
from tests.commands import EXAMPLES
from tests.matrix.zygote import Zygote

from reluctant.lecture.claims import CLAIMS

FOLDER = EXAMPLES / "lecture"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))
ROWS = re.findall(
    r"^\| `reluctant run (.*?)(\w+)\.py(.*?)` \| (.*?) \| (.*?) \|$",
    (FOLDER / "README.md").read_text("utf-8"),
    re.MULTILINE,
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_begins_with_the_statement_of_its_claim(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text("utf-8")
    statement = text.removeprefix('"""').partition("\n\n")[0]
    assert " ".join(statement.split()) == CLAIMS[name].statement
    assert "reluctant" not in text


def test_every_script_is_in_the_table() -> None:
    assert {name for _, name, *_ in ROWS} == set(SCRIPTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "name", "arguments", "last", "verdict"),
    ROWS,
    ids=[f"{options}{name}{arguments}" for options, name, arguments, *_ in ROWS],
)
def test_a_line_of_the_table(
    zygote: Zygote,
    tmp_path: Path,
    options: str,
    name: str,
    arguments: str,
    last: str,
    verdict: str,
) -> None:
    script = (FOLDER / f"{name}.py", *arguments.split())
    done = zygote.run("reluctant", "run", *options.split(), *script, cwd=tmp_path)
    assert done.code == 0, done.err
    number = re.findall(r"[\d.]+", last)[0]
    pattern = re.escape(last).replace(re.escape(number), r"([\d.]+)", 1)
    printed = re.search(pattern, done.out.splitlines()[-1])
    assert printed is not None, done.out
    # Other processors round otherwise; what none does is none.
    margin = 0.25 if "." in number else min(2, int(number))
    assert float(printed[1]) == pytest.approx(float(number), abs=margin)
    word, *found = re.split(": |, ", verdict)
    assert f"reluctant  {word}  " in done.err
    assert all(at in done.err for at in found)
    if not options:
        assert zygote.run("python", *script, cwd=tmp_path).out == done.out
