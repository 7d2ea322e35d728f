"""Serve the built site on this machine, compressed as a public host does.

`make serve`, or `python tools/serve.py [--port N] [--under /a/folder] [FOLDER]`. Only this machine can reach it.
The folder is `_build/html` unless another one is named; `--under` puts it under a path, as on a host of many sites.
"""

from __future__ import annotations

import argparse
import email.utils
import functools
import gzip
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
HOST = "127.0.0.1"
PORT = 8000
TRIES = 20  # ports looked at, from the wanted one upwards

# Written out, because what the system's own table says differs from machine to machine.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".inv": "application/octet-stream",
    ".ipynb": "application/x-ipynb+json",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
COMPRESSED = {".css", ".html", ".ipynb", ".js", ".json", ".md", ".svg", ".txt", ".xml"}


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with files of one folder, and with nothing outside it."""

    protocol_version = "HTTP/1.1"  # connections stay open
    server: Server

    def do_GET(self) -> None:
        """Send a file, a redirect from a folder without its slash, or an error."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send what GET would, without the body."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        asked = urlsplit(self.path).path
        path = locate(self.server.folder, self.server.under, asked)
        if path is None:
            self._send(HTTPStatus.NOT_FOUND, {"Content-Type": TYPES[".txt"]}, b"There is no such page.\n", body)
            return
        if path.is_dir():
            if not asked.endswith("/"):
                # One leading slash: two would lead to another host.
                there = "/" + quote(unquote(asked).lstrip("/")) + "/"
                self._send(HTTPStatus.MOVED_PERMANENTLY, {"Location": there}, b"", body)
                return
            path /= "index.html"
        if not path.is_file():
            self._send(HTTPStatus.NOT_FOUND, {"Content-Type": TYPES[".txt"]}, b"There is no such page.\n", body)
            return
        status = path.stat()
        headers = {
            "Content-Type": TYPES.get(path.suffix, "application/octet-stream"),
            "Last-Modified": email.utils.formatdate(status.st_mtime, usegmt=True),
            "Cache-Control": "no-cache",  # ask again each time: the site is rebuilt while it is read
        }
        if self.headers.get("If-Modified-Since") == headers["Last-Modified"]:
            self._send(HTTPStatus.NOT_MODIFIED, headers, b"", body)
            return
        squeeze = path.suffix in COMPRESSED and "gzip" in self.headers.get("Accept-Encoding", "")
        if path.suffix in COMPRESSED:
            headers["Vary"] = "Accept-Encoding"
        if squeeze:
            headers["Content-Encoding"] = "gzip"
        self._send(HTTPStatus.OK, headers, content(path, status.st_mtime_ns, squeeze), body)

    def _send(self, status: HTTPStatus, headers: dict[str, str], content: bytes, body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing about single requests."""


class Server(ThreadingHTTPServer):
    """A server for `folder`, reached under the path `under` ("/" or "/a/folder/")."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0, under: str = "/") -> None:
        self.folder = folder.resolve()
        self.under = f"/{under.strip('/')}/" if under.strip("/") else "/"
        super().__init__((HOST, port), Handler)

    @property
    def url(self) -> str:
        """The address of the folder."""
        return f"http://{HOST}:{self.server_address[1]}{self.under}"


def locate(folder: Path, under: str, asked: str) -> Path | None:
    """Return the file or folder that the path of a request names, None for one outside `folder`."""
    path = unquote(asked)
    if not path.startswith(under) or "\\" in path or "\0" in path:
        return None
    parts = PurePosixPath(path[len(under) :]).parts
    if ".." in parts or any(part.startswith("/") for part in parts):
        return None
    # A link that leads out of the folder is outside, too.
    found = folder.joinpath(*parts).resolve()
    return found if found.is_relative_to(folder) else None


@functools.lru_cache(maxsize=1024)
def content(path: Path, changed: int, squeeze: bool) -> bytes:
    """Return the bytes to send for a file; `changed`, its time in nanoseconds, keeps the memory of it fresh."""
    data = path.read_bytes()
    return gzip.compress(data, 6, mtime=0) if squeeze else data


def open_server(folder: Path, port: int, under: str = "/") -> Server:
    """Return a server on `port`, or on the next free one. Raises OSError where none of twenty is free."""
    for number in range(port, port + TRIES):
        if is_taken(number):
            continue
        try:
            return Server(folder, number, under)
        except OSError:
            continue
    raise OSError(f"the ports {port} to {port + TRIES - 1} are taken: name another one with --port")


def is_taken(port: int) -> bool:
    """Whether somebody answers on the port (an address can be bound beside another one's)."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(description="Serve the built site on this machine.")
    parser.add_argument("folder", nargs="?", type=Path, default=HTML, help="the site (default: _build/html)")
    parser.add_argument("--port", type=int, default=PORT, help="the port, or the next free one (default: %(default)s)")
    parser.add_argument("--under", default="/", help="the path of the site on this host (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not (options.folder / "index.html").is_file():
        print(f"There is no site in {options.folder}: build it with `make book`.", file=sys.stderr)
        return 1
    try:
        server = open_server(options.folder, options.port, options.under)
    except (OSError, OverflowError) as error:
        print(f"The site cannot be served: {error}", file=sys.stderr)
        return 1
    if (number := server.server_address[1]) != options.port:
        print(f"Port {options.port} is taken, so {number} serves.")
    print(f"The book is at {server.url} (Ctrl-C ends)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
