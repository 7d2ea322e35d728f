"""Values as learners return them: brought into one form, and compared.

A list does as well as an array, a tensor of PyTorch or Keras too, and single precision is compared as such. A masked
array is equal to nothing: what stands behind its mask would not be compared.
"""

from __future__ import annotations

import dis
import inspect
import itertools
import traceback
from types import CodeType
from typing import Any

import numpy as np

SINGLE = (np.float32, np.complex64)  # compared up to the rounding of some operations in single precision


def plain(value: Any) -> Any:
    """NumPy arrays for tensors of PyTorch and Keras, and the same inside tuples, lists and dicts."""
    if isinstance(value, tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    if not isinstance(value, (np.ndarray, np.generic)) and callable(getattr(value, "numpy", None)):
        return np.asarray(value.numpy())
    return value


def comparable(value: Any) -> bool:
    """Whether a value is made of arrays and plain values, so that a change of it can be seen."""
    if isinstance(value, (tuple, list)):
        return all(map(comparable, value))
    if isinstance(value, dict):
        return all(map(comparable, value.values()))
    return isinstance(plain(value), (np.ndarray, np.generic, int, float, str, bool))


def unwritten(value: Any) -> bool:
    """Whether a value is what a stub leaves: nothing, `...`, or a tuple or dict that holds `...`."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)) and len(value):
        return any(v is ... for v in value) or all(v is None for v in value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return any(v is ... for v in value.ravel())
    return value is None or value is ...


def tripped_over_dots(error: Exception) -> bool:
    """Whether an error was raised where a variable still was `...`."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [frame for frame in frames if "site-packages" not in frame.f_code.co_filename]
    return any(value is ... for frame in own for value in frame.f_locals.values())


def fold(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def same(a: Any, b: Any, rtol: float, atol: float) -> bool:
    """Whether two plain values are equal, numbers up to a tolerance and arrays with their shape."""
    if isinstance(a, np.ma.MaskedArray) or isinstance(b, np.ma.MaskedArray):
        return False
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(same(a[k], b[k], rtol, atol) for k in b)
    if isinstance(b, (tuple, list)):
        if not isinstance(a, (tuple, list)) or len(a) != len(b):
            return False
        return all(same(x, y, rtol, atol) for x, y in zip(a, b, strict=True))
    if numeric(a) and numeric(b):
        if np.shape(a) != np.shape(b):
            return False
        if np.asarray(b).dtype.kind in "biu":  # whole numbers and truth values are right or wrong, never close
            return bool(np.all(np.equal(a, b)))
        if rtol and np.asarray(a).dtype.type in SINGLE:
            rtol, atol = max(rtol, 1e-4), max(atol, 1e-5 * float(np.max(np.abs(b), initial=0.0)))
        return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        both = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        return both and a.dtype.kind == b.dtype.kind and np.array_equal(a, b)
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    return type(a) is type(b) and bool(a == b)


def numeric(value: Any) -> bool:
    return isinstance(value, (int, float, np.number, np.bool_)) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "biufc"
    )


def all_none(value: Any) -> bool:
    """Whether a value is None, or a tuple or list of nothing else."""
    return value is None or (isinstance(value, (tuple, list)) and bool(value) and all(v is None for v in value))


def masked(value: Any) -> bool:
    """Whether a value is a masked array or holds one."""
    if isinstance(value, dict):
        return any(map(masked, value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(masked, value))
    return isinstance(value, np.ma.MaskedArray)


def opaque(value: Any) -> bool:
    """Whether a value is or holds an array that hides its numbers: a masked one, or one of objects other than `...`."""
    if isinstance(value, dict):
        return any(map(opaque, value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(opaque, value))
    return masked(value) or (isinstance(value, np.ndarray) and value.dtype == object and not unwritten(value))


def like(yours: Any, wanted: Any) -> Any:
    """`yours` with the containers of `wanted`: arrays for lists, a tuple for an array of that many parts."""
    if isinstance(wanted, dict) and isinstance(yours, dict):
        return {key: like(value, wanted[key]) if key in wanted else value for key, value in yours.items()}
    if isinstance(wanted, (tuple, list)):
        stacked = isinstance(yours, np.ndarray) and yours.ndim and not masked(yours)
        if stacked and all(numeric(w) and np.shape(w) == yours.shape[1:] for w in wanted):
            yours = tuple(yours)
        if isinstance(yours, (tuple, list)) and len(yours) == len(wanted):
            return tuple(map(like, yours, wanted))
        return yours
    if isinstance(wanted, np.ndarray) and wanted.ndim and isinstance(yours, (tuple, list)) and not masked(yours):
        try:
            array = np.array(yours)
        except (ValueError, TypeError):  # rows of different lengths
            return yours
        return yours if array.dtype.kind in "OUS" else array
    return yours


def exactly_typed(yours: Any, wanted: Any) -> bool:
    """Whether truth values are bool and whole numbers integers, where `wanted` has such."""
    if isinstance(wanted, dict):
        return all(exactly_typed(yours[key], wanted[key]) for key in wanted)
    if isinstance(wanted, (tuple, list)):
        return all(map(exactly_typed, yours, wanted))
    kinds = {"b": "b", "i": "iu", "u": "iu"}.get(np.asarray(wanted).dtype.kind)
    return kinds is None or np.asarray(yours).dtype.kind in kinds


def untouched(answer: Any) -> bool:
    """Whether a function, or a method of a class, still has the body of a stub: nothing at all, or its `...`."""
    if inspect.isclass(answer):
        return any(map(untouched, (f for f in vars(answer).values() if inspect.isfunction(f))))
    code = getattr(answer, "__code__", None)
    return isinstance(code, CodeType) and (_does_nothing(code) or _keeps_dots(code))


def _does_nothing(code: CodeType) -> bool:
    idle = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "COPY_FREE_VARS"}
    return all(step.opname in idle for step in dis.get_instructions(code))


def _keeps_dots(code: CodeType) -> bool:
    """Whether `...` is stored in a variable; in an index, as in x[..., 0], it says nothing."""
    kept = ("STORE_FAST", "STORE_DEREF", "UNPACK", "SWAP", "RETURN")
    return any(
        step.opname == "LOAD_CONST" and step.argval in (..., (...,) * 2, (...,) * 3) and after.opname.startswith(kept)
        for step, after in itertools.pairwise(dis.get_instructions(code))
    )
