"""The server of a live page: to this machine alone, and anew only where a record has grown."""

import http.client
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from reluctant.errors import RecordDamaged, WrongArgument
from reluctant.report.page.server import HOST, server


@pytest.fixture
def record(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text("{}")
    return tmp_path


@pytest.fixture
def made() -> list[str]:
    """The states that pages were made of."""
    return []


@pytest.fixture
def port(record: Path, made: list[str]) -> Iterator[int]:
    def make(paths: Any, state: str) -> str:
        made.append(state)
        if (record / "rank-0.sqlite").exists():
            raise RecordDamaged.at(record, "half a sample")
        return f"<p>page {len(made)} of {state}</p>"

    with server([record], make, 0) as serving:
        Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_port
        serving.shutdown()


def ask(port: int, path: str = "/", **headers: str) -> tuple[int, str, str | None]:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request(
        "GET", path, headers={at.replace("_", "-"): to for at, to in headers.items()}
    )
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), answer.headers["ETag"]
    connection.close()
    return found


def test_a_page_is_made_once_for_each_state_of_the_record(
    port: int, record: Path, made: list[str]
) -> None:
    status, page, state = ask(port)
    assert (status, page) == (200, f"<p>page 1 of {state}</p>")
    assert ask(port)[1] == page
    assert state is not None
    assert ask(port, If_None_Match=state) == (304, "", None)
    (record / "run.json").write_text('{"steps": 2}')
    status, page, later = ask(port, If_None_Match=state)
    assert (status, page) == (200, f"<p>page 2 of {later}</p>")
    assert made == [state, later]


def test_a_sample_in_the_log_alone_is_a_new_state(port: int, record: Path, made: list[str]) -> None:
    ask(port)
    (record / "rank-0.sqlite-wal").write_text("a sample")
    ask(port)
    assert len(set(made)) == 2


def test_a_record_that_cannot_be_read_is_said_so_and_asked_again(port: int, record: Path) -> None:
    (record / "rank-0.sqlite").write_text("")
    status, told, _ = ask(port)
    assert status == 503
    assert "half a sample" in told
    os.unlink(record / "rank-0.sqlite")
    assert ask(port)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", f"{HOST}:1", ""])
def test_another_name_for_this_machine_gets_nothing(port: int, host: str, made: list[str]) -> None:
    assert ask(port, Host=host)[0] == 403
    assert not made


def test_there_is_one_page(port: int) -> None:
    assert ask(port, "/etc/passwd")[0] == 404
    assert ask(port, "/?x=1")[0] == 404
    assert ask(port, Host=f"localhost:{port}")[0] == 200


def test_other_machines_are_not_answered(port: int) -> None:
    with server([], lambda paths, state: "", 0) as serving:
        assert serving.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(WrongArgument, match=r"Nothing can be served at port \d+.*--port N"):
            server([], lambda paths, state: "", taken.getsockname()[1])
