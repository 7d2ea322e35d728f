"""tools/serve.py: what it sends, what it refuses, and what it says."""

from __future__ import annotations

import gzip
import http.client
import socket
import subprocess
import sys
import threading

import pytest

from tests.site.conftest import ROOT
from tools import serve


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "site"
    (inside / "book").mkdir(parents=True)
    (inside / "index.html").write_text("<p>root</p>" * 200)
    (inside / "book" / "index.html").write_text("<p>landing page</p>")
    (inside / "font.woff2").write_bytes(bytes(range(256)))
    for suffix in serve.TYPES:
        (inside / f"file{suffix}").write_text("content")
    (tmp_path / "secret.txt").write_text("not for you")
    (inside / "way_out.txt").symlink_to(tmp_path / "secret.txt")
    return inside


@pytest.fixture
def ask(folder):
    """Send a request to a server of the folder; the path goes out as it is."""

    def send(path, under="/", method="GET", **headers):
        with serve.Server(folder, under=under) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            connection = http.client.HTTPConnection(*server.server_address, timeout=10)
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            response.content = response.read()
            connection.close()
            server.shutdown()
            return response

    return send


def test_text_is_compressed_for_those_who_take_it(ask, folder):
    plain = ask("/index.html")
    packed = ask("/index.html", **{"Accept-Encoding": "gzip, br"})
    assert packed.getheader("Content-Encoding") == "gzip"
    assert gzip.decompress(packed.content) == plain.content == (folder / "index.html").read_bytes()
    assert len(packed.content) == int(packed.getheader("Content-Length")) < len(plain.content) / 5
    assert packed.getheader("Vary") == "Accept-Encoding"


def test_fonts_are_sent_as_they_are(ask, folder):
    answer = ask("/font.woff2", **{"Accept-Encoding": "gzip"})
    assert answer.getheader("Content-Encoding") is None
    assert answer.content == (folder / "font.woff2").read_bytes()


@pytest.mark.parametrize(("suffix", "kind"), serve.TYPES.items())
def test_types(ask, suffix, kind):
    assert ask(f"/file{suffix}").getheader("Content-Type") == kind


def test_folders_lead_to_their_page(ask):
    assert ask("/book/").content == b"<p>landing page</p>"
    answer = ask("/book")
    assert (answer.status, answer.getheader("Location")) == (301, "/book/")


def test_a_redirect_never_leads_to_another_host(ask):
    answer = ask("//book")
    assert answer.status == 404 or not answer.getheader("Location", "/").startswith("//")


def test_a_site_under_a_folder(ask):
    assert ask("/sub/folder/book/index.html", under="sub/folder").content == b"<p>landing page</p>"
    assert ask("/book/index.html", under="sub/folder").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/book/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/book/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/..\\secret.txt",
        "/way_out.txt",
        "/secret.txt",
        "/index.html%00.txt",
        "/missing.html",
    ],
)
def test_nothing_outside_the_folder(ask, path):
    answer = ask(path)
    assert answer.status == 404
    assert b"not for you" not in answer.content
    assert b"root:" not in answer.content


def test_head_sends_no_body(ask):
    answer = ask("/index.html", method="HEAD")
    assert (answer.status, answer.content) == (200, b"")
    assert int(answer.getheader("Content-Length")) > 0


def test_an_unchanged_file_is_not_sent_again(ask):
    first = ask("/index.html")
    again = ask("/index.html", **{"If-Modified-Since": first.getheader("Last-Modified")})
    assert (again.status, again.content) == (304, b"")


def test_other_methods_are_refused(ask):
    assert ask("/index.html", method="POST").status == 501


def test_a_changed_file_is_read_again(folder):
    path = folder / "index.html"
    old = serve.content(path, 1, False)
    path.write_text("new")
    assert serve.content(path, 2, False) == b"new" != old


def test_the_next_port_is_taken(folder):
    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serve.open_server(folder, port) as server:
            assert port < server.server_address[1] < port + serve.TRIES


def test_no_free_port(folder, monkeypatch, capsys):
    monkeypatch.setattr(serve, "is_taken", lambda port: True)
    assert serve.main([str(folder), "--port", "8000"]) == 1
    assert "8000 to 8019 are taken" in capsys.readouterr().err


def test_a_site_that_is_not_built(tmp_path, capsys):
    assert serve.main([str(tmp_path)]) == 1
    assert "make book" in capsys.readouterr().err


def test_the_command_says_where_the_book_is(folder):
    program = [sys.executable, str(ROOT / "tools" / "serve.py"), str(folder)]
    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with subprocess.Popen([*program, "--port", str(port)], stdout=subprocess.PIPE, text=True) as running:
            said = [running.stdout.readline(), running.stdout.readline()]
            address = said[1].split()[4]
            connection = http.client.HTTPConnection(address.removeprefix("http://").strip("/"), timeout=10)
            connection.request("GET", "/book/index.html")
            assert connection.getresponse().read() == b"<p>landing page</p>"
            connection.close()
            running.terminate()
    assert said[0].startswith(f"Port {port} is taken, so ")
    assert said[1].startswith(f"The book is at http://{serve.HOST}:")
