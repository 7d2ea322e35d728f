"""Downloads against a server on this machine that can misbehave in every way; nothing asks the public network."""

import contextlib
import errno
import hashlib
import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from urllib.parse import urlsplit

import pytest

from common.data import download
from common.data.download import REGISTRY, DownloadError, File, fetch

CONTENT = bytes(range(256)) * 800  # 204,800 bytes: several chunks


class Server:
    """A web server in a thread. `answers` lists what it does with the coming requests; then it behaves."""

    def __init__(self):
        self.answers = []
        self.requests = 0
        self.go_on = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                answer = outer.answers.pop(0) if outer.answers else good
                with contextlib.suppress(ConnectionError):
                    answer(self, outer)

            def log_message(self, *arguments):
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._http.server_port}/file.bin"

    def close(self):
        self.go_on.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def send(handler, body, length=None, status=200):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def good(handler, server):
    send(handler, CONTENT)


def cut(handler, server):
    """Promise everything, send half, hang up."""
    send(handler, CONTENT[:100_000], len(CONTENT))


def cut_at_once(handler, server):
    """Promise everything, send nothing, hang up."""
    send(handler, b"", len(CONTENT))


def short(handler, server):
    """A complete answer that is too short, as from a broken copy."""
    send(handler, CONTENT[:100_000])


def long(handler, server):
    send(handler, CONTENT + b"more")


def other(handler, server):
    """As long as the file, but with one byte changed."""
    send(handler, CONTENT[:-1] + b"?")


PAGE = b"\xef\xbb\xbf\n<!-- portal -->\n<!DOCTYPE html>\n<html><body>Please log in</body></html>"


def page(handler, server):
    """The log-in page of a network in place of the file."""
    send(handler, PAGE)


def page_cut(handler, server):
    send(handler, PAGE + b" " * 100_000, len(CONTENT))


def long_page(handler, server):
    send(handler, b"<HTML><head>" + b" " * len(CONTENT))


def page_as_long(handler, server):
    send(handler, (b'<?xml version="1.0"?>\n<html lang="en">' + b" " * len(CONTENT))[: len(CONTENT)])


def no_page(handler, server):
    """Text that only mentions HTML."""
    send(handler, b"The element <html> is the root of a page")


def missing(handler, server):
    send(handler, b"no such file", status=404)


def overloaded(handler, server):
    send(handler, b"come back later", status=503)


def silent(handler, server):
    server.go_on.wait(60)


def halting(handler, server):
    """Send half, then nothing until told to go on."""
    send(handler, CONTENT[:100_000], len(CONTENT))
    server.go_on.wait(20)
    handler.wfile.write(CONTENT[100_000:])


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _this_machine_only(monkeypatch):
    """No proxy, and no connection to anywhere else."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    connect = socket.socket.connect

    def local(self, address):
        assert address[0] == "127.0.0.1", f"a test asked the public network: {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder that is not there yet."""
    folder = tmp_path / "a" / "cache"
    monkeypatch.setenv("BOOK_DATA", str(folder))
    return folder


def register(monkeypatch, address, content=CONTENT):
    file = File(
        "sample",
        "sample.bin",
        address,
        hashlib.sha256(content).hexdigest(),
        len(content),
        "public domain (nobody)",
        "bytes",
    )
    monkeypatch.setitem(REGISTRY, "sample", file)
    return file


@pytest.fixture
def sample(server, cache, monkeypatch):
    return register(monkeypatch, server.address)


def refused_address():
    """An address on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/file.bin"


def failure(match, **arguments):
    """Fetch, expect the one clear error, and check that it tells all it should."""
    with pytest.raises(DownloadError, match=match) as caught:
        fetch("sample", progress=False, **arguments)
    error, file = caught.value, REGISTRY["sample"]
    said = str(error)
    for part in ("sample: ", file.filename, file.address, file.sha256, "204,800 bytes", file.licence, "BOOK_DATA"):
        assert part in said
    assert str(error.path) in said
    assert error.path == download.cache_folder() / file.filename
    assert error.file == file
    return error


# ---- when all is well


def test_a_file_is_downloaded_once(server, sample, cache):
    path = fetch("sample", progress=False)
    assert path == cache / "sample.bin"
    assert path.read_bytes() == CONTENT
    assert fetch("sample", progress=False) == path
    assert server.requests == 1
    assert os.listdir(cache) == ["sample.bin"]


def test_others_may_read_it_as_the_umask_says(sample):
    before = os.umask(0o022)
    try:
        assert fetch("sample", progress=False).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_progress_goes_to_standard_error(sample, cache, capsys):
    fetch("sample")
    out, err = capsys.readouterr()
    assert out == ""
    for part in ("sample: 204.8 kB from", sample.address, str(cache), "free", sample.licence, "100%"):
        assert part in err
    fetch("sample")
    assert capsys.readouterr() == ("", "")


def test_without_progress_nothing_is_said(sample, capsys):
    fetch("sample", progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_file_put_there_by_hand_is_used(server, sample, cache):
    cache.mkdir(parents=True)
    (cache / "sample.bin").write_bytes(CONTENT)
    assert fetch("sample", progress=False).read_bytes() == CONTENT
    assert server.requests == 0


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"?", CONTENT[:1000], b""], ids=["changed", "cut", "empty"])
def test_a_wrong_file_in_the_cache_is_replaced_with_a_warning(server, sample, cache, wrong):
    cache.mkdir(parents=True)
    (cache / "sample.bin").write_bytes(wrong)
    with pytest.warns(UserWarning, match=r"sample.bin: (it has .* bytes|its SHA-256 is .*) instead of"):
        path = fetch("sample", progress=False)
    assert path.read_bytes() == CONTENT


def test_a_wrong_file_by_hand_is_named_when_there_is_no_network(cache, monkeypatch):
    register(monkeypatch, refused_address())
    cache.mkdir(parents=True)
    mine = CONTENT[:-1] + b"?"
    (cache / "sample.bin").write_bytes(mine)
    with warnings.catch_warnings(action="ignore"):
        failure(r"no connection .*; and the file that lies there is wrong: its SHA-256 is \w{64} instead of")
    assert (cache / "sample.bin").read_bytes() == mine  # whose it is may decide what to do with it


# ---- faults


WEB_PAGE = r"127\.0\.0\.1:\d+ answered with a web page instead of the file; it was not kept\. .* in a browser to see"
FAULTS = {
    "cut": ([cut] * 3, r"the connection was cut after [\d,]+ of 204,800 bytes, 3 times over"),
    "cut at once": ([cut_at_once], "no connection to 127.0.0.1"),
    "short": ([short] * 3, "only 100,000 of 204,800 bytes came, 3 times over"),
    "long": ([long], "what came is longer than 204,800 bytes"),
    "wrong hash": ([other], r"the checksum is wrong: what came has the SHA-256 \w{64}; it was not kept"),
    "page": ([page], WEB_PAGE),
    "page, cut": ([page_cut], WEB_PAGE),
    "page, too long": ([long_page], WEB_PAGE),
    "page, as long": ([page_as_long], WEB_PAGE),
    "no page": ([no_page] * 3, "only 40 of 204,800 bytes came, 3 times over"),
    "not found": ([missing], "127.0.0.1:.* answered '404 Not Found' instead of the file"),
    "overloaded": ([overloaded], "answered '503 Service Unavailable'"),
    "silent": ([silent], "127.0.0.1:.* did not answer within 0.3 seconds"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_nothing_and_the_next_fetch_recovers(server, sample, cache, monkeypatch, fault):
    answers, message = FAULTS[fault]
    server.answers = list(answers)
    began = time.monotonic()
    with monkeypatch.context() as patch:
        if fault == "silent":
            patch.setattr(download, "TIMEOUT", 0.3)
        failure(message)
    assert time.monotonic() - began < 20  # a silent server is not waited for longer than TIMEOUT
    assert server.requests == len(answers)
    assert os.listdir(cache) == []
    assert fetch("sample", progress=False).read_bytes() == CONTENT
    assert os.listdir(cache) == ["sample.bin"]


def test_a_connection_cut_twice_is_begun_again(server, sample, cache, capsys):
    server.answers = [cut, short]
    assert fetch("sample").read_bytes() == CONTENT
    assert server.requests == 3
    assert os.listdir(cache) == ["sample.bin"]
    err = capsys.readouterr().err
    assert "from the start again (2 of 3)" in err
    assert "from the start again (3 of 3)" in err


def test_no_network(server, cache, monkeypatch):
    register(monkeypatch, refused_address())
    error = failure(r"no connection to 127.0.0.1:\d+; is there a network\? \(.*refused")
    assert "HTTPConnection" not in error.reason
    assert os.listdir(cache) == []
    register(monkeypatch, server.address)  # the network is back
    assert fetch("sample", progress=False).read_bytes() == CONTENT


def test_a_name_that_cannot_be_resolved(cache, monkeypatch):
    register(monkeypatch, "http://nowhere.invalid/file.bin")

    def unknown(*arguments, **more):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failure(r"no connection to nowhere.invalid; is there a network\? \(NameResolutionError: Failed to resolve")
    assert os.listdir(cache) == []


def test_a_wrong_file_stays_until_a_right_one_came(server, sample, cache):
    cache.mkdir(parents=True)
    (cache / "sample.bin").write_bytes(b"mine")
    server.answers = [other]
    with warnings.catch_warnings(action="ignore"):
        failure("the checksum is wrong: .* and the file that lies there is wrong: it has 4 bytes instead of 204,800")
    assert os.listdir(cache) == ["sample.bin"]
    assert (cache / "sample.bin").read_bytes() == b"mine"


# ---- interrupts


FETCHER = """
import sys
from common.data import download
name, *rest = sys.argv[1:]
download.REGISTRY[name] = download.File(name, *rest[:3], int(rest[3]), "-", "-")
download.fetch(name, progress=False)
"""


def interrupt_midway(server, file, cache, number):
    """Fetch in a process of its own, send it a signal when half has come, and return how it ended."""
    server.answers = [halting]
    command = [sys.executable, "-c", FETCHER, file.name, file.filename, file.address, file.sha256, str(file.size)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(part.stat().st_size for part in cache.glob("*.part")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not (cache / file.filename).exists()
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    server.go_on.set()
    return process.returncode, said


def test_ctrl_c_leaves_nothing(server, sample, cache, ctrl_c):
    code, said = interrupt_midway(server, sample, cache, signal.SIGINT)
    assert code != 0
    assert "KeyboardInterrupt" in said
    assert os.listdir(cache) == []
    assert fetch("sample", progress=False).read_bytes() == CONTENT


def test_a_killed_process_leaves_no_half_file_under_the_name(server, sample, cache):
    code, _ = interrupt_midway(server, sample, cache, signal.SIGKILL)
    assert code == -signal.SIGKILL
    (part,) = cache.iterdir()
    assert part.suffix == ".part"
    # Just now written to: it might belong to a download under way.
    assert fetch("sample", progress=False).read_bytes() == CONTENT
    assert part.exists()
    # Abandoned: removed, even though the file itself is there by now.
    long_ago = time.time() - 2 * download.ABANDONED
    os.utime(part, (long_ago, long_ago))
    fetch("sample", progress=False)
    assert os.listdir(cache) == ["sample.bin"]


def test_two_downloads_at_once_do_not_disturb_each_other(server, sample, cache):
    server.answers = [halting, halting]
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(fetch("sample", progress=False))) for _ in range(2)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while len(list(cache.glob("*.part"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    server.go_on.set()
    for thread in threads:
        thread.join(30)
    assert [path.read_bytes() for path in paths] == [CONTENT, CONTENT]
    assert os.listdir(cache) == ["sample.bin"]


# ---- the folder


def test_a_full_disk_is_said_before_and_during(server, sample, cache, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        failure("the file could not be written: .*No space left on device")
    assert os.listdir(cache) == []
    usage = download.shutil.disk_usage(cache)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage._replace(free=100_000))
    failure("has only 100.0 kB free, the file needs 204.8 kB")
    assert server.requests == 1


def test_a_network_drive_that_cannot_force_a_file_to_the_disk_will_do(sample, monkeypatch):
    def cannot(handle):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", cannot)
    assert fetch("sample", progress=False).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_used_is_said(sample, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("BOOK_DATA", str(tmp_path / "file"))
    failure("the folder .*file cannot be used")


def test_a_folder_in_the_place_of_the_file_is_said(server, sample, cache):
    (cache / "sample.bin").mkdir(parents=True)
    failure("there is a folder where the file should be")
    assert server.requests == 0


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    assert download.cache_folder() == tmp_path
    monkeypatch.setenv("BOOK_DATA", "~/books")
    assert download.cache_folder() == tmp_path.__class__.home() / "books"
    for unset in (lambda: monkeypatch.setenv("BOOK_DATA", ""), lambda: monkeypatch.delenv("BOOK_DATA")):
        unset()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert download.cache_folder().name == "recurrent-networks-book"


# ---- the registry


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"name: expected one of 'tiny_shakespeare', .*, got 'hamlet'"):
        fetch("hamlet")


@pytest.mark.parametrize("name", REGISTRY)
def test_every_file_is_pinned_and_described(name):
    file = REGISTRY[name]
    assert file.name == name
    address = urlsplit(file.address)
    assert (address.scheme, address.netloc) == ("https", "raw.githubusercontent.com")
    assert re.fullmatch(r"/[\w.-]+/[\w.-]+/[0-9a-f]{40}/[\w./-]+", address.path)
    assert re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert 1_000 < file.size < 2_000_000
    assert re.fullmatch(r"[\w.-]+", file.filename)
    assert file.licence
    assert file.description


def test_no_two_files_are_confused():
    files = download.available()
    assert files == tuple(REGISTRY.values())
    for field in ("filename", "address", "sha256"):
        assert len({getattr(file, field) for file in files}) == len(files)


def test_describe_says_what_is_here(sample, cache):
    line = next(line for line in download.describe().splitlines() if line.startswith("sample"))
    assert line.split()[:3] == ["sample", "204,800", "no"]
    fetch("sample", progress=False)
    table = download.describe().splitlines()
    line = next(line for line in table if line.startswith("sample"))
    assert line.split()[:3] == ["sample", "204,800", "yes"]
    assert sample.licence in line
    assert table[-1] == f"folder: {cache}"
