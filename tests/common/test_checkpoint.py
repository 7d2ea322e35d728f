"""Checkpoints: whole or refused, never in between, and always one that can be read."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common import checkpoint
from common.checkpoint import CheckpointError

DTYPES = (np.float32, np.float64, np.int64, np.uint8, np.bool_)
any_array = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_side=4)))


def arrays(value=1.0):
    return {"cell.W_h": np.full((3, 3), value), "steps": np.array(7)}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@given(st.dictionaries(st.text("abc./ _file", min_size=1, max_size=8), any_array, max_size=4))
@settings(deadline=None, max_examples=40)
def test_what_is_saved_comes_back_bit_for_bit(tmp_path_factory, saved):
    path = tmp_path_factory.mktemp("run") / "run.checkpoint"
    meta = {"step": 3, "generator": 2**127 + 1, "loss": 0.1, "names": ["a", None, True], "ü": {}}
    checkpoint.save(path, saved, meta)
    loaded, loaded_meta = checkpoint.load(path)
    assert loaded_meta == meta
    assert loaded.keys() == saved.keys()
    for name, array in saved.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("name", ["meta", "file", "args", "kwds", "allow_pickle", "a.npy"])
def test_no_name_is_special(tmp_path, name):
    checkpoint.save(tmp_path / "c", {name: np.arange(3)}, {"meta": 1})
    loaded, meta = checkpoint.load(tmp_path / "c")
    np.testing.assert_array_equal(loaded[name], np.arange(3))
    assert meta == {"meta": 1}


def test_a_flip_of_any_byte_is_seen(tmp_path):
    path = tmp_path / "run.checkpoint"
    checkpoint.save(path, {"W": np.arange(2)}, {})
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"run\.checkpoint is damaged"):
            checkpoint.load(path)


def test_a_cut_at_any_length_is_seen(tmp_path):
    path = tmp_path / "run.checkpoint"
    checkpoint.save(path, {"W": np.arange(2)}, {})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="is damaged"):
            checkpoint.load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoint.load(path)


def test_the_message_says_which_file_what_is_wrong_and_what_to_do(tmp_path):
    path = tmp_path / "run.checkpoint"
    checkpoint.save(path, arrays(), {})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is damaged: its content (")
    assert "does not have the SHA-256 that its first line promises" in message
    assert "Put run.checkpoint.previous, the checkpoint before it, in its place, or delete both files" in message
    path.write_bytes(b"PK something else")
    with pytest.raises(CheckpointError, match="it does not begin as a checkpoint of this book does"):
        checkpoint.load(path)


def test_the_checkpoint_before_is_kept_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "folder" / "run.checkpoint"
    for value in (1.0, 2.0, 3.0):
        checkpoint.save(path, arrays(value), {"value": value})
    assert names(path.parent) == ["run.checkpoint", "run.checkpoint.previous"]
    assert checkpoint.load(path)[1] == {"value": 3.0}
    assert checkpoint.load(checkpoint.previous(path))[1] == {"value": 2.0}


def test_a_damaged_checkpoint_falls_back_to_the_one_before_with_a_warning(tmp_path):
    path = tmp_path / "run.checkpoint"
    checkpoint.save(path, arrays(1.0), {"value": 1})
    checkpoint.save(path, arrays(2.0), {"value": 2})
    assert checkpoint.load_newest(path)[1] == {"value": 2}
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match=r"run\.checkpoint is damaged.*Going on from .*run\.checkpoint\.previous"):
        loaded, meta = checkpoint.load_newest(path)
    assert meta == {"value": 1}
    np.testing.assert_array_equal(loaded["cell.W_h"], arrays(1.0)["cell.W_h"])


def test_a_damaged_checkpoint_never_becomes_the_previous_one(tmp_path):
    path = tmp_path / "run.checkpoint"
    checkpoint.save(path, arrays(1.0), {"value": 1})
    checkpoint.save(path, arrays(2.0), {"value": 2})
    path.write_bytes(b"")
    checkpoint.save(path, arrays(3.0), {"value": 3})
    assert checkpoint.load(path)[1] == {"value": 3}
    assert checkpoint.load(checkpoint.previous(path))[1] == {"value": 1}


def test_nothing_readable_is_an_error_and_no_file_is_none(tmp_path):
    path = tmp_path / "run.checkpoint"
    assert checkpoint.load_newest(path) is None
    with pytest.raises(FileNotFoundError, match=r"run\.checkpoint"):
        checkpoint.load(path)
    path.write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"run\.checkpoint is damaged"):
        checkpoint.load_newest(path)
    checkpoint.previous(path).write_bytes(b"y")
    with pytest.raises(CheckpointError, match=r"run\.checkpoint is damaged"):
        checkpoint.load_newest(path)


def test_deleting_the_checkpoint_starts_over_whatever_lies_beside_it(tmp_path):
    path = tmp_path / "run.checkpoint"
    for value in (1.0, 2.0):
        checkpoint.save(path, arrays(value), {"value": value})
    path.unlink()
    assert checkpoint.load_newest(path) is None
    checkpoint.save(path, arrays(3.0), {"value": 3.0})
    assert names(tmp_path) == ["run.checkpoint"]


# A save calls os.replace twice, and os.fsync four times: the checkpoint before, its folder, the new one, its folder.
@pytest.mark.parametrize(("fails", "call"), [("fsync", 1), ("fsync", 3), ("replace", 1), ("replace", 2)])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch, fails, call):
    path = tmp_path / "run.checkpoint"
    for value in (1.0, 2.0):
        checkpoint.save(path, arrays(value), {"value": value})
    real, calls = getattr(os, fails), []

    def full(*args):
        calls.append(args)
        if len(calls) == call:
            raise OSError(28, "No space left on device")
        return real(*args)

    monkeypatch.setattr(checkpoint.os, fails, full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, arrays(3.0), {"value": 3.0})
    monkeypatch.undo()
    assert names(tmp_path) == ["run.checkpoint", "run.checkpoint.previous"]
    assert checkpoint.load(path)[1] == {"value": 2.0}
    assert checkpoint.load(checkpoint.previous(path))[1]["value"] in (1.0, 2.0)


def test_what_cannot_be_stored_is_named_and_nothing_is_written(tmp_path):
    path = tmp_path / "run.checkpoint"
    with pytest.raises(TypeError, match=r"arrays\['W'\]: expected a NumPy array of numbers, got object"):
        checkpoint.save(path, {"W": np.array([None])}, {})
    with pytest.raises(TypeError, match=r"arrays\['W'\]: expected a NumPy array of numbers, got list"):
        checkpoint.save(path, {"W": [1, 2]}, {})
    with pytest.raises(TypeError, match="meta: expected values that JSON can hold"):
        checkpoint.save(path, {}, {"x": np.ones(2)})
    assert names(tmp_path) == []


def test_a_pickle_is_never_loaded(tmp_path):
    """Not even from a file with the right digest."""
    import io

    body = io.BytesIO()
    np.savez(body, meta=np.array("{}"), **{"array W": np.array([{"any": "object"}], dtype=object)})
    path = tmp_path / "run.checkpoint"
    path.write_bytes(checkpoint._FIRST_LINE + checkpoint._digest(body.getvalue()) + b"\n" + body.getvalue())
    with pytest.raises(ValueError, match="allow_pickle"):
        checkpoint.load(path)
