"""Serves a page to this machine alone, made anew whenever its records have grown."""

import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from reluctant.errors import ReluctantError, WrongArgument

HOST = "127.0.0.1"

# Makes the page of the runs in these folders; the word is what names their state.
Make = Callable[[Sequence[Path], str], str]


class Pages:
    """The page of some runs as their records stand, made once for each state of them."""

    def __init__(self, paths: Sequence[Path], make: Make) -> None:
        self._paths = paths
        self._make = make
        self._lock = Lock()
        self._last: tuple[str, bytes] = ("", b"")

    def state(self) -> str:
        """A word that changes whenever one of the records does."""
        seen = blake2b(digest_size=12)
        for path in self._paths:
            for file in sorted([path / "run.json", *path.glob("rank-*")]):
                with suppress(OSError):
                    found = file.stat()
                    seen.update(f"{file.name} {found.st_size} {found.st_mtime_ns}\n".encode())
        return seen.hexdigest()

    def page(self) -> tuple[str, bytes]:
        """Which state it shows, and the page.

        Raises:
            ReluctantError: there is none to show.
        """
        with self._lock:
            state = self.state()
            if state != self._last[0]:
                self._last = state, self._make(self._paths, state).encode()
            return self._last


class _Handler(BaseHTTPRequestHandler):
    server_version = "reluctant"
    sys_version = ""
    pages: Pages

    def do_GET(self) -> None:
        # A name that leads here from elsewhere would let other sites read the page.
        host, port = self.headers.get("Host", ""), self.server.server_port  # type: ignore[attr-defined]
        if host not in (f"{HOST}:{port}", f"localhost:{port}"):
            self._answer(HTTPStatus.FORBIDDEN, b"This page is for this machine alone.")
        elif self.path != "/":
            self._answer(HTTPStatus.NOT_FOUND, b"There is one page here: /")
        elif self.headers.get("If-None-Match") == self.pages.state():
            self._answer(HTTPStatus.NOT_MODIFIED)
        else:
            self._show()

    def _show(self) -> None:
        try:
            state, page = self.pages.page()
        except ReluctantError as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error).encode())
            return
        self._answer(HTTPStatus.OK, page, "text/html", state)

    def _answer(
        self, status: HTTPStatus, content: bytes = b"", kind: str = "text/plain", state: str = ""
    ) -> None:
        # Whoever has closed the page meanwhile does not want it.
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            if state:
                self.send_header("ETag", state)
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a page asks every other second."""


def server(paths: Sequence[Path], make: Make, port: int) -> ThreadingHTTPServer:
    """A server at this port, or at a free one if it is 0, that answers to this machine alone.

    Raises:
        WrongArgument: the port is taken, or not ours to take.
    """
    handler = type("Handler", (_Handler,), {"pages": Pages(paths, make)})
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise WrongArgument(
            f"Nothing can be served at port {port} ({error.strerror or error}).",
            "Choose another one with --port N; 0 takes one that is free.",
        ) from None


def serve(
    paths: Sequence[Path],
    make: Make,
    port: int,
    opened: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        WrongArgument: the port is taken, or not ours to take.
    """
    with server(paths, make, port) as at:
        address = f"http://{HOST}:{at.server_port}/"
        say(f"{address}  (Ctrl-C ends it)")
        if opened:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            at.serve_forever()
