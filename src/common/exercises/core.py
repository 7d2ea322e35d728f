"""What the checks of all exercises share: run an answer on generated cases and say what is wrong with it.

A check knows the right answer and the mistakes that learners make. It looks, in this order, for: nothing written
yet, one of the known mistakes, an error raised, an input changed in place, a wrong type, a wrong shape, NaN, wrong
values. The first that applies is reported, in a few lines and never as a traceback.

    check_step = Check(
        "check_step",
        solution=_step,
        cases=_cases,                       # rng -> list of case(...)
        mistakes=[Mistake("no bias", _without_bias, "The bias b is missing: equation RNN.1 adds it.")],
        returns="h",
    )
    check_count = Answer("check_count", 4224, mistakes=[Mistake("no bias", 4160, "The H biases are missing.")])

    check_step(my_step)                     # prints the verdict, returns None
    check_step.verdict(my_step).passed      # the same for a program
"""

from __future__ import annotations

import copy
import inspect
import linecache
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

REGISTRY: dict[str, Exercise] = {}  # every check of the book by its name, filled as the modules are imported
SEED = 0  # of the generator that makes the cases: the same cases at every call
TODO = "todo"
PASSED = "passed"


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    kind     "passed", "todo", "mistake NAME", "error", "changed input", "type", "shape", "nan" or "values"
    message  what the learner reads, without the check's name
    """

    passed: bool
    kind: str
    message: str


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that learners give, and what to tell them.

    answer   a function like the solution (for Check), or a value (for Answer)
    message  what is wrong and where to look; it does not give the solution away
    """

    name: str
    answer: Any
    message: str


@dataclass(frozen=True)
class Case:
    """One input: positional arguments, the sizes that name their axes, and a label shown to the learner."""

    arguments: tuple
    sizes: dict[str, int] = field(default_factory=dict)
    label: str = ""

    def __str__(self) -> str:
        parts = [self.label] if self.label else []
        parts += [", ".join(f"{name} = {size}" for name, size in self.sizes.items())] if self.sizes else []
        shapes = "of shapes " if any(np.ndim(_plain(a)) for a in self.arguments if _numeric(_plain(a))) else ""
        return " with ".join(parts) or f"arguments {shapes}" + ", ".join(_shape_of(a) for a in self.arguments)


def case(*arguments: Any, label: str = "", **sizes: int) -> Case:
    """A case from its arguments, for example `case(x, h, W, label="one step", B=2, D=3)`."""
    return Case(arguments, sizes, label)


class Exercise:
    """Base of Check and Answer: a name in the registry, a call that prints, a verdict for programs."""

    def __init__(self, name: str, mistakes: Sequence[Mistake]) -> None:
        if not name.startswith("check_"):
            raise ValueError(f'name: expected a name that starts with "check_", got {name!r}')
        names = [mistake.name for mistake in mistakes]
        if len(set(names)) != len(names):
            raise ValueError(f"mistakes: expected different names, got {names}")
        self.name = name
        self.mistakes = tuple(mistakes)
        self.module = _calling_module()
        if (other := REGISTRY.get(name)) and other.module != self.module:
            raise ValueError(f"name: {name!r} is taken by {other.module}; a check's name is unique in the book")
        REGISTRY[name] = self

    def __call__(self, answer: Any) -> None:
        """Print what is right or wrong with `answer`."""
        print(f"{self.name}: {self.verdict(answer).message}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def verdict(self, answer: Any) -> Verdict:
        """What is right or wrong with `answer`, without printing."""
        raise NotImplementedError

    @property
    def solution(self) -> Any:
        """An answer that passes."""
        raise NotImplementedError


class Answer(Exercise):
    """Checks a value that the learner works out: a number, a tuple of numbers (a shape), a word or an array.

    value      the right answer
    mistakes   wrong answers with their explanations; `Mistake.answer` is the wrong value
    tolerance  relative, for floating-point answers
    """

    def __init__(self, name: str, value: Any, *, mistakes: Sequence[Mistake], tolerance: float = 1e-3) -> None:
        super().__init__(name, mistakes)
        self._value, self._tolerance = value, tolerance

    @property
    def solution(self) -> Any:
        return self._value

    def verdict(self, answer: Any) -> Verdict:
        """What is right or wrong with `answer`."""
        answer = _plain(answer)
        if _unwritten(answer):
            return _todo()
        if isinstance(answer, str) and isinstance(self._value, str):
            answer = answer.strip().lower()
        if _same(answer, _fold(self._value), self._tolerance, self._tolerance * 1e-6):
            return Verdict(True, PASSED, "passed.")
        for mistake in self.mistakes:
            if _same(answer, _fold(mistake.answer), self._tolerance, self._tolerance * 1e-6):
                return Verdict(False, f"mistake {mistake.name}", f"not yet. {mistake.message}")
        if problem := _wrong_type(answer, self._value, "your answer"):
            return Verdict(False, "type", f"not yet. {problem}")
        return Verdict(False, "values", f"not yet. Your answer {_short(answer)} is not right.")


@dataclass
class _Outcome:
    """What a function did with one case: its value or its error, and the arguments it changed."""

    value: Any = None
    error: Exception | None = None
    changed: tuple[int, ...] = ()


class Check(Exercise):
    """Checks a function (or a class, with `call`) that the learner writes.

    solution   a right function; it is called with the arguments of a case
    cases      function of a NumPy generator that returns the cases; include edge sizes (one step, batch of one)
               and let the other sizes differ from each other, so that a shape tells which axis is which
    mistakes   wrong functions with their explanations, at least three
    returns    name of what is returned, or one name for each part of a returned tuple, used in the messages
    call       how to run an answer: call(answer, *arguments), by default answer(*arguments)
    rtol, atol an entry is right where |yours - expected| ≤ atol + rtol · |expected|
    """

    def __init__(
        self,
        name: str,
        *,
        solution: Callable,
        cases: Callable[[np.random.Generator], Iterable[Case]],
        mistakes: Sequence[Mistake],
        returns: str | Sequence[str] = (),
        call: Callable | None = None,
        rtol: float = 1e-6,
        atol: float = 1e-9,
    ) -> None:
        super().__init__(name, mistakes)
        self._solution, self._cases = solution, cases
        self._returns = (returns,) if isinstance(returns, str) else tuple(returns)
        self._call = call or (lambda function, *arguments: function(*arguments))
        self._rtol, self._atol = rtol, atol

    @property
    def solution(self) -> Callable:
        return self._solution

    def verdict(self, answer: Any) -> Verdict:
        """What is right or wrong with the function `answer`."""
        if _unwritten(answer):
            return _todo()
        if not callable(answer):
            return Verdict(False, "type", f"not yet. Pass your function itself, not {_kind(answer)}.")
        cases = list(self._cases(np.random.default_rng(SEED)))
        got: list[_Outcome] = []
        for one in cases:
            got.append(self._run(answer, one))
            if self._not_written(got[-1]):
                return _todo()
        expected = [self._run(self._solution, one) for one in cases]
        if all(map(self._equal, got, expected)):
            return Verdict(True, PASSED, f"passed, {_count(len(cases), 'case')}.")
        for mistake in self.mistakes:
            if all(map(self._equal, got, (self._run(mistake.answer, one) for one in cases))):
                return Verdict(False, f"mistake {mistake.name}", f"not yet. {mistake.message}")
        kind, message = self._first_fault(answer, cases, got, expected)
        return Verdict(False, kind, f"not yet. {message}")

    def _run(self, function: Any, one: Case) -> _Outcome:
        """Run a function on a copy of the case's arguments."""
        arguments = copy.deepcopy(one.arguments)
        outcome = _Outcome()
        try:
            # Warnings about overflow or division belong to the report below, not on the learner's screen.
            with np.errstate(all="ignore"):
                # A copy, because a function may return one of its arguments and be run again on it.
                outcome.value = copy.deepcopy(_plain(self._call(function, *arguments)))
        except Exception as error:
            outcome.error = error
        outcome.changed = tuple(
            i
            for i, (now, before) in enumerate(zip(arguments, one.arguments, strict=True))
            if _comparable(before) and not _same(_plain(now), _plain(before), 0.0, 0.0)
        )
        return outcome

    def _not_written(self, outcome: _Outcome) -> bool:
        """Whether the function is still a stub: it returns nothing or `...`, or trips over its own `...`."""
        if outcome.error is None:
            return _unwritten(outcome.value)
        return isinstance(outcome.error, NotImplementedError) or _tripped_over_dots(outcome.error)

    def _equal(self, a: _Outcome, b: _Outcome) -> bool:
        if a.changed != b.changed or (a.error is None) != (b.error is None):
            return False
        if a.error is not None:
            return type(a.error) is type(b.error) and str(a.error) == str(b.error)
        return _same(a.value, b.value, self._rtol, self._atol)

    def _first_fault(
        self, answer: Any, cases: list[Case], got: list[_Outcome], expected: list[_Outcome]
    ) -> tuple[str, str]:
        """(kind, message) of the first case that is wrong."""
        one, mine, right = next(
            (c, g, e) for c, g, e in zip(cases, got, expected, strict=True) if not self._equal(g, e)
        )
        if mine.error is not None:
            return "error", f"{_describe_error(mine.error, answer)} (case: {one})."
        if mine.changed:
            name = self._argument(mine.changed[0])
            return (
                "changed input",
                f"Your function changes its argument {name} in place. Work on a new array.",
            )
        parts = self._parts(mine.value, right.value)
        if isinstance(parts, str):
            return "type", parts
        for name, yours, wanted in parts:
            for kind, examine in (("type", _wrong_type), ("shape", _wrong_shape), ("nan", _not_finite)):
                sizes = (one.sizes,) if kind == "shape" else ()
                if problem := examine(yours, wanted, name, *sizes):
                    return kind, f"{problem} (Case: {one}.)"
            if not _same(yours, wanted, self._rtol, self._atol):
                return "values", f"{_wrong_values(yours, wanted, name, self._rtol, self._atol)} (Case: {one}.)"
        raise AssertionError("an unequal outcome has a fault")  # _equal and the examinations above agree

    def changes(self) -> str:
        """The name of an argument that the solution changes in place; empty where it leaves all as they were."""
        for one in self._cases(np.random.default_rng(SEED)):
            if changed := self._run(self._solution, one).changed:
                return self._argument(changed[0])
        return ""

    def _argument(self, index: int) -> str:
        try:
            return f"`{list(inspect.signature(self._solution).parameters)[index]}`"
        except (ValueError, TypeError, IndexError):
            return f"number {index + 1}"

    def _parts(self, yours: Any, wanted: Any) -> list[tuple[str, Any, Any]] | str:
        """The returned values one by one with their names, or a message where their number is wrong."""
        if isinstance(wanted, (tuple, list)) and len(self._returns) == len(wanted):
            return _open(yours, wanted, "", list(self._returns))
        return _open(yours, wanted, self._returns[0] if len(self._returns) == 1 else "your result", [])


def prove(exercise: Exercise) -> list[str]:
    """What is wrong with a check itself; empty where its solution passes and each mistake is recognised.

    A check needs at least three mistakes, each answered with its own message, and meets an untouched stub kindly.
    """
    complaints = []
    verdict = exercise.verdict(exercise.solution)
    if not verdict.passed:
        complaints.append(f"the solution does not pass: {verdict.message}")
    if isinstance(exercise, Check) and (changed := exercise.changes()):
        complaints.append(f"the solution changes its argument {changed} in place")
    if len(exercise.mistakes) < 3:
        complaints.append(f"only {len(exercise.mistakes)} known mistakes; a check knows at least three")
    if len({mistake.message for mistake in exercise.mistakes}) != len(exercise.mistakes):
        complaints.append("two mistakes have the same message")
    for mistake in exercise.mistakes:
        verdict = exercise.verdict(mistake.answer)
        if verdict.passed:
            complaints.append(f"the mistake {mistake.name!r} passes")
        elif mistake.message not in verdict.message:
            complaints.append(f"the mistake {mistake.name!r} is answered with: {verdict.message}")
    stubs: list[Any] = [None, ...]
    if isinstance(exercise, Check):
        stubs += [_stub_none, _stub_ellipsis, _stub_raises]
    for stub in stubs:
        if (verdict := exercise.verdict(stub)).kind != TODO:
            complaints.append(f"an untouched stub ({_short(stub)}) is answered with: {verdict.message}")
    return complaints


def _open(yours: Any, wanted: Any, name: str, names: list[str]) -> list[tuple[str, Any, Any]] | str:
    """Take tuples and dicts apart down to arrays: (name, yours, wanted) for each, or what is wrong with them."""
    if isinstance(wanted, dict):
        keys = ", ".join(map(repr, wanted))
        whole = f"`{name}`" if name and name != "your result" else "your result"
        if not isinstance(yours, dict):
            return f"{_capital(whole)} should be a dict with the keys {keys}, not {_kind(yours)}."
        if yours.keys() != wanted.keys():
            return f"{_capital(whole)} should have the keys {keys}, not {', '.join(map(repr, yours)) or 'none'}."
        prefix = "" if name == "your result" else name
        pieces = [(yours[key], wanted[key], f"{prefix}[{key!r}]") for key in wanted]
    elif isinstance(wanted, (tuple, list)):
        prefix = name if name and name != "your result" else "returned value "
        names = names or [f"{prefix}[{i}]" if prefix == name else f"{prefix}{i + 1}" for i in range(len(wanted))]
        if not isinstance(yours, (tuple, list)) or len(yours) != len(wanted):
            whole = f"`{name}`" if prefix == name else "your result"
            listed = ", ".join(names)
            return f"{_capital(whole)} should be {_count(len(wanted), 'value')} ({listed}), not {_kind(yours)}."
        pieces = list(zip(yours, wanted, names, strict=True))
    else:
        return [(name, yours, wanted)]
    parts = []
    for mine, right, label in pieces:
        inner = _open(mine, right, label, [])
        if isinstance(inner, str):
            return inner
        parts += inner
    return parts


def _stub_none(*_: Any, **__: Any) -> None:
    return None


def _stub_ellipsis(*_: Any, **__: Any) -> Any:
    return ...


def _stub_raises(*_: Any, **__: Any) -> Any:
    raise NotImplementedError


def _todo() -> Verdict:
    return Verdict(False, TODO, "not written yet. Replace the `...` and run the cell again.")


def _calling_module() -> str:
    """Name of the module that makes the check: the first frame outside this one."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return frame.f_globals.get("__name__", "?") if frame else "?"


def _plain(value: Any) -> Any:
    """NumPy arrays for tensors of PyTorch and Keras, and the same inside tuples, lists and dicts."""
    if isinstance(value, tuple):
        return tuple(_plain(v) for v in value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    if not isinstance(value, (np.ndarray, np.generic)) and callable(getattr(value, "numpy", None)):
        return np.asarray(value.numpy())
    return value


def _comparable(value: Any) -> bool:
    """Whether a value is made of arrays and plain values, so that a change of it can be seen."""
    if isinstance(value, (tuple, list)):
        return all(map(_comparable, value))
    if isinstance(value, dict):
        return all(map(_comparable, value.values()))
    return isinstance(_plain(value), (np.ndarray, np.generic, int, float, str, bool))


def _unwritten(value: Any) -> bool:
    """Whether a value is what a stub leaves: nothing, `...`, or a tuple or dict that holds `...`."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)) and len(value):
        return any(v is ... for v in value) or all(v is None for v in value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return any(v is ... for v in value.ravel())
    return value is None or value is ...


def _tripped_over_dots(error: Exception) -> bool:
    """Whether an error was raised where a variable still was `...`."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [frame for frame in frames if "site-packages" not in frame.f_code.co_filename]
    return any(value is ... for frame in own for value in frame.f_locals.values())


def _fold(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _same(a: Any, b: Any, rtol: float, atol: float) -> bool:
    """Whether two plain values are equal, numbers up to a tolerance and arrays with their shape."""
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(_same(a[k], b[k], rtol, atol) for k in b)
    if isinstance(b, (tuple, list)):
        if not isinstance(a, (tuple, list)) or len(a) != len(b):
            return False
        return all(_same(x, y, rtol, atol) for x, y in zip(a, b, strict=True))
    if _numeric(a) and _numeric(b):
        if np.shape(a) != np.shape(b):
            return False
        if np.asarray(b).dtype.kind in "biu":  # whole numbers and truth values are right or wrong, never close
            return bool(np.all(np.equal(a, b)))
        return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        both = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        return both and a.dtype.kind == b.dtype.kind and np.array_equal(a, b)
    return type(a) is type(b) and bool(a == b)


def _numeric(value: Any) -> bool:
    return isinstance(value, (int, float, np.number, np.bool_)) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "biufc"
    )


def _kind(value: Any) -> str:
    """A value's type in the learner's words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (tuple, list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _shape_of(value: Any) -> str:
    return str(np.shape(value)) if _numeric(_plain(value)) and np.ndim(_plain(value)) else _short(value)


def _short(value: Any) -> str:
    shown = getattr(value, "__name__", None) or repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def _describe_error(error: Exception, answer: Any) -> str:
    """The error's type, its message, and the learner's own line that raised it."""
    code = getattr(answer, "__code__", None) or getattr(getattr(answer, "__init__", None), "__code__", None)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if code and f.filename == code.co_filename]
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(": ")
    if not frames:
        return f"Calling your function raises {said}"
    line = (frames[-1].line or linecache.getline(frames[-1].filename, frames[-1].lineno or 0)).strip()
    return f"Line {frames[-1].lineno} of your cell, `{line}`, raises {said}"


def _wrong_type(yours: Any, wanted: Any, name: str) -> str:
    if isinstance(wanted, np.ndarray) and wanted.ndim and not isinstance(yours, np.ndarray):
        return f"{_capital(name)} should be an array of shape {wanted.shape}, not {_kind(yours)}."
    if isinstance(yours, np.ndarray) and isinstance(wanted, np.ndarray) and _numeric(yours) != _numeric(wanted):
        return f"{_capital(name)} should hold numbers of type {wanted.dtype}, not {yours.dtype}."
    if _numeric(wanted) and not _numeric(yours):
        return f"{_capital(name)} should be a number, not {_kind(yours)}."
    if isinstance(wanted, (str, dict, tuple, list)) and not isinstance(yours, type(wanted)):
        if isinstance(wanted, (tuple, list)) and isinstance(yours, (tuple, list)):
            return ""
        return f"{_capital(name)} should be a {type(wanted).__name__}, not {_kind(yours)}."
    return ""


def _wrong_shape(yours: Any, wanted: Any, name: str, sizes: dict[str, int]) -> str:
    got, expected = (
        np.shape(yours) if _numeric(yours) else None,
        np.shape(wanted) if _numeric(wanted) else None,
    )
    if got is None or expected is None or got == expected:
        return ""
    said = f"{_capital(name)} should have shape {_letters(expected, sizes)}, not {_letters(got, sizes)}."
    return f"{said} {_shape_hint(got, expected, sizes)}".rstrip()


def _letters(shape: tuple, sizes: dict[str, int]) -> str:
    """A shape with the letters of its axes, where each length belongs to just one letter: (T, B) = (5, 2)."""
    names = [[letter for letter, size in sizes.items() if size == length] for length in shape]
    if shape and all(len(found) == 1 for found in names):
        letters = ", ".join(found[0] for found in names)
        return f"({letters}{',' * (len(shape) == 1)}) = {shape}"
    return str(shape)


def _shape_hint(got: tuple, expected: tuple, sizes: dict[str, int]) -> str:
    """The likely reason for a wrong shape."""
    if got == expected[::-1]:
        return "It is transposed."
    without = [axis for axis in range(len(got)) if got[:axis] + got[axis + 1 :] == expected]
    if without and got[without[0]] != 1:
        axis = without[0]
        letters = [letter for letter, size in sizes.items() if size == got[axis]]
        what = {"B": "the batch", "T": "the steps"}.get(letters[0], letters[0]) if len(letters) == 1 else ""
        return f"Did you sum over {what or f'axis {axis}'}?" if what or axis is not None else ""
    if tuple(n for n in got if n != 1) == tuple(n for n in expected if n != 1):
        return "Only an axis of length 1 is too much, missing, or in another place (look at keepdims)."
    if any(expected[:axis] + expected[axis + 1 :] == got for axis in range(len(expected))):
        return "Did you sum over, or pick from, one axis too many?"
    if sorted(got) == sorted(expected):
        return "The axes are in another order."
    return ""


def _not_finite(yours: Any, wanted: Any, name: str) -> str:
    if not (_numeric(yours) and _numeric(wanted)) or not np.all(np.isfinite(wanted)) or np.all(np.isfinite(yours)):
        return ""
    if not np.ndim(yours):
        return f"{_capital(name)} is {yours}: a division by zero, a log of zero or an overflow."
    bad = np.argwhere(~np.isfinite(yours))
    place = ", ".join(str(int(i)) for i in bad[0])
    return f"{_capital(name)} is NaN or infinite in {len(bad)} of {np.size(yours)} entries, first at [{place}]."


def _wrong_values(yours: Any, wanted: Any, name: str, rtol: float, atol: float) -> str:
    """Size and place of the largest difference, and what the difference looks like."""
    if not (_numeric(yours) and _numeric(wanted)):
        return f"{_capital(name)} should be {_short(wanted)}, not {_short(yours)}."
    wide = np.result_type(np.asarray(wanted), np.float64)
    a, b = np.asarray(yours, dtype=wide), np.asarray(wanted, dtype=wide)
    difference = np.abs(a - b)
    pattern = _pattern(a, b)
    if not pattern and np.asarray(yours).dtype == np.float32 and np.allclose(a, b, rtol=1e-3, atol=1e-6):
        pattern = "Yours is in float32; keep the float64 of the inputs."
    if a.ndim == 0:
        return f"{_capital(name)} is {_number(a)}, expected {_number(b)}. {pattern}".rstrip()
    index = np.unravel_index(np.argmax(difference), a.shape)
    wrong = _count(int(np.sum(~np.isclose(a, b, rtol=rtol, atol=atol))), "wrong entry", "wrong entries")
    place = ", ".join(str(int(i)) for i in index)
    return (
        f"{_capital(name)} has {wrong} of {a.size}; the largest difference is at [{place}]: "
        f"{_number(a[index])}, expected {_number(b[index])}. {pattern}"
    ).rstrip()


def _pattern(a: np.ndarray, b: np.ndarray) -> str:
    """What a wrong result has to do with the right one, where that can be seen."""

    def close(x: np.ndarray, y: np.ndarray) -> bool:
        return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-6, atol=1e-9))

    if np.allclose(b, 0.0) or np.allclose(a, 0.0):
        return "Yours is zero everywhere." if np.allclose(a, 0.0) else ""
    if close(a, -b):
        return "The sign is the wrong way round."
    factor = float(np.real(np.vdot(b, a) / np.vdot(b, b)))
    if abs(factor - 1) > 1e-3 and close(a, factor * b):
        return f"Yours is the right result times {factor:.4g}."
    if a.ndim == 2 and close(a.T, b):
        return "It is transposed."
    if a.ndim and len(a) > 1:
        if close(a[::-1], b):
            return "The first axis is in reverse order."
        if close(a[1:], b[:-1]) and len(a) > 2:
            return "Along the first axis everything stands one place too late."
        if close(a[:-1], b[1:]) and len(a) > 2:
            return "Along the first axis everything stands one place too early."
    return ""


def _number(value: Any) -> str:
    return f"{value.item():.6g}" if isinstance(value, (np.ndarray, np.generic)) else str(value)


def _count(number: int, word: str, plural: str = "") -> str:
    return f"{number} {word if number == 1 else plural or word + 's'}"


def _capital(name: str) -> str:
    """Names of variables stay as they are, words begin a sentence."""
    return name[0].upper() + name[1:] if " " in name else f"`{name.strip('`')}`"
