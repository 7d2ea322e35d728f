"""What a check says of a wrong value: its type, its shape, NaN, the size and the place of the difference."""

from __future__ import annotations

import linecache
import traceback
from typing import Any

import numpy as np

from common.exercises import values


def kind(value: Any) -> str:
    """A value's type in the learner's words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (tuple, list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a value of type {type(value).__name__}"


def shape_of(value: Any) -> str:
    return (
        str(np.shape(value)) if values.numeric(values.plain(value)) and np.ndim(values.plain(value)) else short(value)
    )


def short(value: Any) -> str:
    shown = getattr(value, "__name__", None) or repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def describe_error(error: Exception, answer: Any) -> str:
    """The error's type, its message, and the learner's own line that raised it."""
    code = getattr(answer, "__code__", None) or getattr(getattr(answer, "__init__", None), "__code__", None)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if code and f.filename == code.co_filename]
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(": ")
    if not frames:
        return f"Calling your function raises {said}"
    line = (frames[-1].line or linecache.getline(frames[-1].filename, frames[-1].lineno or 0)).strip()
    return f"Line {frames[-1].lineno} of your cell, `{line}`, raises {said}"


def opaque(yours: Any, name: str) -> str:
    """What is said of masked arrays and of arrays of objects."""
    what = capital(name) if name else "Your result"
    if values.masked(yours):
        holds = "is" if isinstance(yours, np.ndarray) else "holds"
        return f"{what} {holds} a masked array. Return a plain array: what is behind the mask cannot be compared."
    return f"{what} should hold numbers of type float64, not object."


def wrong_type(yours: Any, wanted: Any, name: str) -> str:
    if values.masked(yours):
        return opaque(yours, name)
    if isinstance(wanted, np.ndarray) and wanted.ndim and not isinstance(yours, np.ndarray):
        return f"{capital(name)} should be an array of shape {wanted.shape}, not {kind(yours)}."
    if (
        isinstance(yours, np.ndarray)
        and isinstance(wanted, np.ndarray)
        and values.numeric(yours) != values.numeric(wanted)
    ):
        return f"{capital(name)} should hold numbers of type {wanted.dtype}, not {yours.dtype}."
    if values.numeric(wanted) and not values.numeric(yours):
        return f"{capital(name)} should be a number, not {kind(yours)}."
    if isinstance(wanted, (str, dict, tuple, list)) and not isinstance(yours, type(wanted)):
        if isinstance(wanted, (tuple, list)) and isinstance(yours, (tuple, list)):
            return ""
        return f"{capital(name)} should be a {type(wanted).__name__}, not {kind(yours)}."
    return ""


def wrong_exact_type(yours: Any, wanted: Any, name: str) -> str:
    what = "truth values (bool)" if np.asarray(wanted).dtype.kind == "b" else "whole numbers (int)"
    return f"{capital(name)} should hold {what}, not {np.asarray(yours).dtype}."


def wrong_shape(yours: Any, wanted: Any, name: str, sizes: dict[str, int]) -> str:
    got, expected = (
        np.shape(yours) if values.numeric(yours) else None,
        np.shape(wanted) if values.numeric(wanted) else None,
    )
    if got is None or expected is None or got == expected:
        return ""
    said = f"{capital(name)} should have shape {_letters(expected, sizes)}, not {_letters(got, sizes)}."
    return f"{said} {_shape_hint(np.asarray(yours), np.asarray(wanted), sizes)}".rstrip()


def _letters(shape: tuple, sizes: dict[str, int]) -> str:
    """A shape with the letters of its axes, where each length belongs to just one letter: (T, B) = (5, 2)."""
    names = [[letter for letter, size in sizes.items() if size == length] for length in shape]
    if shape and all(len(found) == 1 for found in names):
        letters = ", ".join(found[0] for found in names)
        return f"({letters}{',' * (len(shape) == 1)}) = {shape}"
    return str(shape)


def _shape_hint(yours: np.ndarray, wanted: np.ndarray, sizes: dict[str, int]) -> str:
    """The likely reason for a wrong shape."""
    got, expected = yours.shape, wanted.shape
    if got == expected[::-1]:
        turned = np.allclose(yours.T, -wanted)
        return "It is transposed, and the sign is the wrong way round." if turned else "It is transposed."
    if sorted(got) == sorted(expected) and set(got) != {1}:
        return "The axes are in another order."
    if tuple(n for n in got if n != 1) == tuple(n for n in expected if n != 1):
        return "Only an axis of length 1 is too much, missing, or in another place (look at keepdims)."
    for axis in range(len(expected)):
        for keepdims in (False, True):
            if got != expected and (done := _reduced(yours, wanted, axis, keepdims)):
                return f"It is {done.format(_axis(axis, expected, sizes))}; that axis should stay."
    for axis in range(len(got)):
        if got[:axis] + got[axis + 1 :] == expected and got[axis] != 1:
            known = got[axis] in sizes.values() and got[axis] not in expected
            return f"Did you sum over {_axis(axis, got, sizes)}?" if known else f"Axis {axis} is one too many."
    for axis in range(len(expected)):
        if expected[:axis] + expected[axis + 1 :] == got:
            return "Did you sum over, or pick from, one axis too many?"
    if got != expected and _broadcasts(got, expected) and 1 in got:
        return "An axis of length 1 is left where the full axis should be (look at keepdims)."
    return ""


def _broadcasts(got: tuple, expected: tuple) -> bool:
    return len(got) == len(expected) and all(g in (1, e) for g, e in zip(got, expected, strict=True))


def _axis(axis: int, shape: tuple, sizes: dict[str, int]) -> str:
    """An axis in words: the batch, the steps, its letter or its number."""
    letters = [letter for letter, size in sizes.items() if size == shape[axis]]
    return {"B": "the batch", "T": "the steps"}.get(letters[0], letters[0]) if len(letters) == 1 else f"axis {axis}"


def _reduced(yours: np.ndarray, wanted: np.ndarray, axis: int, keepdims: bool) -> str:
    """What was done to an axis of the right result that yours no longer has."""
    found = {
        "summed over {}": wanted.sum(axis=axis, keepdims=keepdims),
        "averaged over {}": wanted.mean(axis=axis, keepdims=keepdims),
        "only the last along {}": wanted.take([-1] if keepdims else -1, axis=axis),
        "only the first along {}": wanted.take([0] if keepdims else 0, axis=axis),
    }
    for done, value in found.items():
        if np.shape(value) == yours.shape and np.allclose(yours, value, rtol=1e-4, atol=1e-6):
            return done
    return ""


def not_finite(yours: Any, wanted: Any, name: str) -> str:
    if (
        not (values.numeric(yours) and values.numeric(wanted))
        or not np.all(np.isfinite(wanted))
        or np.all(np.isfinite(yours))
    ):
        return ""
    if not np.ndim(yours):
        return f"{capital(name)} is {yours}: a division by zero, a log of zero or an overflow."
    bad = np.argwhere(~np.isfinite(yours))
    place = ", ".join(str(int(i)) for i in bad[0])
    return f"{capital(name)} is NaN or infinite in {len(bad)} of {np.size(yours)} entries, first at [{place}]."


def wrong_values(yours: Any, wanted: Any, name: str, rtol: float, atol: float, factor: str = "") -> str:
    """Size and place of the largest difference, and what the difference looks like."""
    if not (values.numeric(yours) and values.numeric(wanted)):
        return f"{capital(name)} should be {short(wanted)}, not {short(yours)}."
    wide = np.result_type(np.asarray(wanted), np.float64)
    a, b = np.asarray(yours, dtype=wide), np.asarray(wanted, dtype=wide)
    difference = np.abs(a - b)
    pattern = _pattern(a, b) or factor
    if not pattern and np.asarray(yours).dtype in (np.float16, np.float32) and np.allclose(a, b, rtol=5e-3, atol=1e-3):
        pattern = f"Yours is in {np.asarray(yours).dtype}; keep the float64 of the inputs."
    if a.ndim == 0:
        return f"{capital(name)} is {number(a)}, expected {number(b)}. {pattern}".rstrip()
    index = np.unravel_index(np.argmax(difference), a.shape)
    wrong = count(int(np.sum(~np.isclose(a, b, rtol=rtol, atol=atol))), "wrong entry", "wrong entries")
    place = ", ".join(str(int(i)) for i in index)
    return (
        f"{capital(name)} has {wrong} of {a.size}; the largest difference is at [{place}]: "
        f"{number(a[index])}, expected {number(b[index])}. {pattern}"
    ).rstrip()


def _pattern(a: np.ndarray, b: np.ndarray) -> str:
    """What a wrong result has to do with the right one, where that can be seen."""

    def close(x: np.ndarray, y: np.ndarray) -> bool:
        return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-6, atol=1e-9))

    if np.allclose(b, 0.0) or np.allclose(a, 0.0):
        return "Yours is zero everywhere." if np.allclose(a, 0.0) else ""
    if close(a, -b):
        return "The sign is the wrong way round."
    if a.ndim >= 2 and a.size > 1 and close(a.T, b):
        return "It is transposed."
    if a.ndim >= 2 and close(a.swapaxes(0, 1), b):
        return "The first two axes are swapped."
    if a.ndim and len(a) > 1:
        if close(a[::-1], b):
            return "The first axis is in reverse order."
        if close(a[1:], b[:-1]) and len(a) > 2:
            return "Along the first axis everything stands one place too late."
        if close(a[:-1], b[1:]) and len(a) > 2:
            return "Along the first axis everything stands one place too early."
    return ""


def factors(sizes: dict[str, int]) -> dict[str, float]:
    """Factors that mean something, by what is said of them, from the sizes of a case."""
    found = {}
    words = {"B": "the batch", "T": "the steps"}
    for letter, size in sizes.items():
        over = words.get(letter, letter)
        found[f"Yours is the right result times 1/{letter}: averaged over {over}, not summed?"] = 1 / size
        found[f"Yours is the right result times {letter}: summed over {over}, not averaged?"] = size
    if {"T", "B"} <= sizes.keys():
        both = sizes["T"] * sizes["B"]
        found["Yours is the right result times 1/(T·B): averaged over the steps and the batch, not summed?"] = 1 / both
        found["Yours is the right result times T·B: summed over the steps and the batch, not averaged?"] = both
    return found | {"Yours is the right result times 2.": 2.0, "Yours is the right result times ½.": 0.5}


def fitting_factor(pairs: list[tuple[Any, Any, dict[str, int]]]) -> str:
    """The factor between yours and the right result, if one explains all wrong cases; (yours, wanted, sizes) each."""

    def fits(said: str, yours: Any, wanted: Any, sizes: dict[str, int]) -> bool:
        factor = factors(sizes).get(said)
        same_shape = np.shape(yours) == np.shape(wanted)
        return factor is not None and same_shape and np.allclose(yours, np.multiply(wanted, factor), rtol=1e-5)

    candidates = factors(pairs[0][2]) if pairs else {}
    return next((said for said in candidates if all(fits(said, *pair) for pair in pairs)), "")


def number(value: Any) -> str:
    return f"{value.item():.6g}" if isinstance(value, (np.ndarray, np.generic)) else str(value)


def count(number: int, word: str, plural: str = "") -> str:
    return f"{number} {word if number == 1 else plural or word + 's'}"


def capital(name: str) -> str:
    """Names of variables stay as they are, words begin a sentence."""
    return name[0].upper() + name[1:] if " " in name else f"`{name.strip('`')}`"
