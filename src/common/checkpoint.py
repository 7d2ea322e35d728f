"""Checkpoints: named arrays and a few plain values in one file that is either whole or refused.

A run can be killed at any moment, also while it writes. So a file is first written beside its place, forced to the
disk, and then put in place by one rename, which the operating system does completely or not at all. The checkpoint
before it stays beside it as `NAME.previous`. Reading compares a SHA-256 with the one in the file's first line, and
never unpickles: a checkpoint from somebody else can be wrong, but it cannot run code.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from pathlib import Path

import numpy as np

from common import disk

_FIRST_LINE = b"Recurrent networks, checkpoint 1, SHA-256 of the rest: "  # then the digest; then a NumPy .npz

Saved = tuple[dict[str, np.ndarray], dict]


class CheckpointError(ValueError):
    """A checkpoint is damaged, or it belongs to something else. The message says which file, and what to do."""


def save(path: str | os.PathLike, arrays: dict[str, np.ndarray], meta: dict) -> None:
    """Write `arrays` (any NumPy dtype but object) and `meta` (what JSON can hold) to `path`, atomically.

    What was whole at `path` before is kept as `NAME.previous`. Missing folders are made. Raises TypeError for values
    that cannot be stored; then, and when the disk is full, what was there stays as it is. A file system that cannot
    force a file or a folder to the disk, as many network drives, is no error.
    """
    path, data = Path(path), _pack(arrays, meta)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        previous(path).unlink(missing_ok=True)  # left by an older run under this name
    elif _problem(before := path.read_bytes()) is None:
        _write(previous(path), before)
    _write(path, data)


def load(path: str | os.PathLike) -> Saved:
    """Read a checkpoint: (arrays, meta). Raises FileNotFoundError, and CheckpointError when the file is damaged."""
    path = Path(path)
    data = path.read_bytes()
    if (problem := _problem(data)) is not None:
        raise CheckpointError(
            f"{path} is damaged: {problem}. Put {previous(path).name}, the checkpoint before it, in its place,"
            f" or delete both files to start over"
        )
    return _unpack(data)


def load_newest(path: str | os.PathLike) -> Saved | None:
    """Read the checkpoint at `path`; if it is damaged, warn and read the one before it. None when there is no file.

    Raises CheckpointError when neither is whole.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        return load(path)
    except CheckpointError as error:
        try:
            saved = load(previous(path))
        except (CheckpointError, FileNotFoundError):
            raise error from None
        warnings.warn(f"{error}. Going on from {previous(path)}", stacklevel=2)
        return saved


def previous(path: str | os.PathLike) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return Path(f"{os.fspath(path)}.previous")


def _pack(arrays: dict[str, np.ndarray], meta: dict) -> bytes:
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.hasobject:
            got = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"arrays[{name!r}]: expected a NumPy array of numbers, got {got}")
    try:
        text = json.dumps(meta)
    except TypeError as error:
        raise TypeError(f"meta: expected values that JSON can hold: {error}") from None
    body = io.BytesIO()
    # The prefix keeps any name apart from "meta", and from the arguments of savez.
    np.savez(body, meta=np.array(text), **{f"array {name}": array for name, array in arrays.items()})
    return _FIRST_LINE + _digest(body.getvalue()) + b"\n" + body.getvalue()


def _unpack(data: bytes) -> Saved:
    body = data.partition(b"\n")[2]
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        arrays = {name.removeprefix("array "): file[name] for name in file.files if name != "meta"}
        return arrays, json.loads(str(file["meta"]))


def _problem(data: bytes) -> str | None:
    """What is wrong with the bytes of a checkpoint, or None."""
    first, _, body = data.partition(b"\n")
    if not first.startswith(_FIRST_LINE):
        return "it does not begin as a checkpoint of this book does"
    if first.removeprefix(_FIRST_LINE) != _digest(body):
        return f"its content ({len(body)} bytes) does not have the SHA-256 that its first line promises"
    return None


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _write(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step: killed at any point, `path` holds the old bytes or the new, never a mixture."""
    beside = Path(f"{path}.writing")  # always the same name, so that kills leave one such file at most
    try:
        with open(beside, "wb") as file:
            file.write(data)
            disk.flush(file)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    disk.flush_folder(path.parent)  # the rename itself should reach the disk too
