"""A notebook in a real kernel: what it shows of a watch and of a run, and that it is as ever."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="`pip install nbclient ipykernel` to run it")
pytest.importorskip("ipykernel", reason="`pip install nbclient ipykernel` to run it")
nbformat = pytest.importorskip("nbformat")

pytestmark = pytest.mark.slow

MODEL = """
import torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
with torch.no_grad():
    model[2].bias[:3] = -50  # units that are dead from the start
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
"""

# As people show how far they are: a line that is printed over and over, and a display that changes.
TRAINING = """
import sys, time
from pathlib import Path
from IPython.display import display

told = display("step 0", display_id=True)
for step in range(40):
    optimizer.zero_grad()
    loss = model(torch.randn(64, 4)).square().mean()
    loss.backward()
    optimizer.step()
    print(f"\\rstep {step + 1}, loss {loss.item():.6f}", end="", flush=True)
    told.update(f"step {step + 1}")
    if step == 19:
        for _ in range(6000):
            if Path("seen").exists():
                break
            time.sleep(0.01)
        else:
            raise RuntimeError("nothing is shown while it trains")
"""

CELLS = {
    "model": MODEL,
    "plain streams": "import sys\nstreams = sys.stdout, sys.stderr",
    "watch": "import reluctant\nwatching = reluctant.watch(model, every=1)\nwatching",
    "training": TRAINING,
    "after": "watching",
    "failing": "model(torch.randn(16, 3))",
    "run": "watching.close()\nrun = reluctant.load(watching.path)\nrun",
    "plain": "print(run)\nprint(watching)",
    "a picture": "reluctant.plot.inputs(run, '2')",
    "streams": "(sys.stdout, sys.stderr) == streams",
}


class Client(nbclient.NotebookClient):  # type: ignore[misc, name-defined]
    """Runs cells, and leaves a file when it is half way through the training."""

    def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
        text = message["content"].get("text", "")
        if message["msg_type"] == "stream" and "step 20," in text:
            (Path(self.resources["metadata"]["path"]) / "seen").touch()
        return super().process_message(message, cell, cell_index)


Outputs = dict[str, list[Any]]


def executed(folder: Path, cells: dict[str, str]) -> Outputs:
    """What the cells showed, by their names."""
    made = [nbformat.v4.new_code_cell(source) for source in cells.values()]
    notebook = nbformat.v4.new_notebook(cells=made)
    place = {"metadata": {"path": str(folder)}}
    Client(
        notebook, resources=place, kernel_name="python3", timeout=300, allow_errors=True
    ).execute()
    return {name: cell.outputs for name, cell in zip(cells, notebook.cells, strict=True)}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder for each notebook, and nothing left in anybody's home."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
            patch.setenv(name, str(home / name.lower()))
        yield tmp_path_factory.mktemp


@pytest.fixture(scope="module")
def shown(places: Any) -> Outputs:
    return executed(places("watched"), CELLS)


class Seen(HTMLParser):
    """The text of what is shown, and whatever would run or be fetched."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.wrong = "", list[str]()
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "iframe", "object", "embed", "style"):
            self.wrong.append(tag)
        for name, value in attrs:
            fetched = name in ("src", "href") and not (value or "").startswith("data:")
            if fetched or name.startswith("on") or "url(" in (value or ""):
                self.wrong.append(f"{name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def html(outputs: list[Any]) -> str:
    (output,) = outputs
    assert output.output_type == "execute_result", output
    return str(output.data["text/html"])


def seen(outputs: list[Any]) -> Seen:
    return Seen(html(outputs))


def test_a_watch_shows_how_it_stands(shown: Outputs) -> None:
    assert "nothing seen" in seen(shown["watch"]).text
    text = seen(shown["after"]).text
    assert "40 steps observed" in text
    assert re.search(r"loss \S+ at step 0, \S+ at step 39", text)
    assert re.search(r"dead-units , born-dead: .*layer 2: 3 of 8 units", text)
    for layer in ("0 8 relu", "2 8 relu"):
        assert f" {layer} " in text


def test_a_run_shows_how_it_ended(shown: Outputs) -> None:
    """As the watch did, once it was closed; elsewhere both are one line."""
    assert "40 steps observed" in seen(shown["run"]).text
    assert "born-dead" in seen(shown["run"]).text
    (printed,) = shown["plain"]
    run, watch = printed.text.splitlines()
    assert run.startswith("<reluctant.Run of notebook, 3 layers, 40 steps observed, ")
    assert watch.startswith("<reluctant.watch(Sequential), closed, 40 steps, ")


def test_a_picture_is_shown_once(shown: Outputs) -> None:
    page = html(shown["a picture"])
    assert page.count('src="data:image/png;base64,') == 1
    assert "relu behind 2, flat at " in page


@pytest.mark.parametrize("cell", ["watch", "after", "run", "a picture"])
def test_nothing_is_fetched_and_nothing_runs(shown: Outputs, cell: str) -> None:
    assert seen(shown[cell]).wrong == []


def test_the_checks_find_what_is_wrong() -> None:
    page = Seen("<script>1</script><img src=https://a/b><a href='//c'><p onclick=x style='url(d)'>")
    assert page.wrong == [
        *("script", "src=https://a/b", "href=//c"),
        *("onclick=x", "style=url(d)"),
    ]


def progress(outputs: list[Any]) -> tuple[str, list[Any]]:
    """What was printed, and what is displayed in the end."""
    assert {at.output_type for at in outputs} == {"stream", "display_data"}, outputs
    printed = "".join(at.text for at in outputs if at.output_type == "stream")
    return printed, [at.data for at in outputs if at.output_type == "display_data"]


def test_progress_is_shown_while_it_trains_as_without_us(shown: Outputs, places: Any) -> None:
    """The training waits in its middle until the client has shown what was printed until then."""
    plain = executed(places("plain"), {name: CELLS[name] for name in ("model", "training")})
    printed, displayed = progress(shown["training"])
    assert re.findall(r"\rstep (\d+), loss ", printed) == [str(step) for step in range(1, 41)]
    assert displayed == [{"text/plain": "'step 40'"}]
    assert progress(plain["training"]) == (printed, displayed)


def test_an_error_is_shown_as_ever_and_streams_are_left_alone(shown: Outputs) -> None:
    (error,) = shown["failing"]
    assert (error.output_type, error.ename) == ("error", "RuntimeError")
    assert "mat1 and mat2 shapes cannot be multiplied" in error.evalue
    assert "model(torch.randn(" in error.traceback[2], "it begins with their line"
    (same,) = shown["streams"]
    assert same.data["text/plain"] == "True"
