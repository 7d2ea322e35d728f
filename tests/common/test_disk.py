"""Forcing files to the disk: refused where the disk is full, passed over where the file system has no such thing."""

import errno
import os
import warnings

import pytest

from common import checkpoint, disk
from common.results import record


def failing(monkeypatch, code, *, folders, files=False, call="fsync"):
    """Let os.fsync (or os.open) fail for folders, files or both, as a file system does that answers with `code`."""
    real = getattr(os, call)

    def refuse(what, *rest):
        folder = os.path.isdir(what if call == "open" else f"/proc/self/fd/{what}")
        if folders if folder else files:
            raise OSError(code, os.strerror(code))
        return real(what, *rest)

    monkeypatch.setattr(os, call, refuse)


CANNOT = [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS]


@pytest.mark.parametrize("code", CANNOT, ids=errno.errorcode.get)
def test_a_file_system_without_fsync_is_passed_over_in_silence(tmp_path, monkeypatch, code):
    failing(monkeypatch, code, folders=True, files=True)
    with warnings.catch_warnings(action="error"):
        checkpoint.save(tmp_path / "run.checkpoint", {}, {"step": 1})
        checkpoint.save(tmp_path / "run.checkpoint", {}, {"step": 2})
    assert checkpoint.load(tmp_path / "run.checkpoint")[1] == {"step": 2}
    assert checkpoint.load(tmp_path / "run.checkpoint.previous")[1] == {"step": 1}
    with open(tmp_path / "file", "w") as file:
        file.write("whole")
        disk.flush(file)
        assert (tmp_path / "file").read_text() == "whole"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EISDIR], ids=errno.errorcode.get)
def test_a_folder_that_cannot_be_opened_is_passed_over_in_silence(tmp_path, monkeypatch, code):
    """As on Windows, and on its folders mounted elsewhere."""
    failing(monkeypatch, code, folders=True, call="open")
    with warnings.catch_warnings(action="error"):
        checkpoint.save(tmp_path / "run.checkpoint", {}, {"step": 1})
    assert checkpoint.load(tmp_path / "run.checkpoint")[1] == {"step": 1}


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
def test_other_trouble_with_a_folder_is_a_warning_since_the_file_is_in_place(tmp_path, monkeypatch, code):
    failing(monkeypatch, code, folders=True)
    with pytest.warns(UserWarning, match=r"what was written there is in place, but may not outlive a power failure"):
        checkpoint.save(tmp_path / "run.checkpoint", {}, {"step": 1})
    assert checkpoint.load(tmp_path / "run.checkpoint")[1] == {"step": 1}


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
def test_trouble_with_the_file_itself_is_an_error_and_what_was_there_stays(tmp_path, monkeypatch, code):
    checkpoint.save(tmp_path / "run.checkpoint", {}, {"step": 1})
    failing(monkeypatch, code, folders=False, files=True)
    with pytest.raises(OSError, match=os.strerror(code)):
        checkpoint.save(tmp_path / "run.checkpoint", {}, {"step": 2})
    assert checkpoint.load(tmp_path / "run.checkpoint")[1] == {"step": 1}


def test_a_record_is_written_where_nothing_can_be_forced_to_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "check_record", lambda made: made)
    failing(monkeypatch, errno.EINVAL, folders=True, files=True)
    path = record.write({"experiment": "02_rnn/4_pytorch/timing", "variant": None}, tmp_path)
    assert path.read_text().startswith("{")
