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
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.exercises import reasons, values

REGISTRY: dict[str, Exercise] = {}  # every check of the book by its name, filled as the modules are imported
SEED = 0  # of the generator that makes the cases: the same cases at every call
TODO = "todo"
PASSED = "passed"


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    kind     "passed", "todo", "none", "mistake NAME", "error", "changed input", "type", "shape", "nan" or "values"
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
        shapes = (
            "of shapes "
            if any(np.ndim(values.plain(a)) for a in self.arguments if values.numeric(values.plain(a)))
            else ""
        )
        return " with ".join(parts) or f"arguments {shapes}" + ", ".join(reasons.shape_of(a) for a in self.arguments)


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
        answer = values.plain(answer)
        if values.unwritten(answer):
            return _todo()
        answer = values.like(answer, self._value)
        if isinstance(answer, str) and isinstance(self._value, str):
            answer = answer.strip().lower()
        if values.same(answer, values.fold(self._value), self._tolerance, self._tolerance * 1e-6):
            return Verdict(True, PASSED, "passed.")
        for mistake in self.mistakes:
            if values.same(answer, values.fold(mistake.answer), self._tolerance, self._tolerance * 1e-6):
                return Verdict(False, f"mistake {mistake.name}", f"not yet. {mistake.message}")
        if problem := reasons.wrong_type(answer, self._value, "your answer"):
            return Verdict(False, "type", f"not yet. {problem}")
        return Verdict(False, "values", f"not yet. Your answer {reasons.short(answer)} is not right.")


@dataclass
class _Outcome:
    """What a function did with one case: its value or its error, and the arguments it changed.

    Where `call` calls the function several times: `inside` has the places of arguments that one of those calls
    changed, `nothing` is True if one returned nothing.
    """

    value: Any = None
    error: Exception | None = None
    changed: tuple[int, ...] = ()
    inside: set[int] = field(default_factory=set)
    nothing: bool = False


class Check(Exercise):
    """Checks a function (or a class, with `call`) that the learner writes.

    solution   a right function; it is called with the arguments of a case
    cases      function of a NumPy generator that returns the cases; include edge sizes (one step, batch of one)
               and let the other sizes differ from each other, so that a shape tells which axis is which
    mistakes   wrong functions with their explanations, at least three
    returns    name of what is returned, or one name for each part of a returned tuple, used in the messages
    call       how to run an answer: call(answer, *arguments), by default answer(*arguments)
    rtol, atol an entry is right where |yours - expected| ≤ atol + rtol · |expected|
    exact      whether truth values have to be bool, and whole numbers integers
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
        exact: bool = False,
    ) -> None:
        super().__init__(name, mistakes)
        self._solution, self._cases = solution, cases
        self._returns = (returns,) if isinstance(returns, str) else tuple(returns)
        self._call = call or (lambda function, *arguments: function(*arguments))
        self._rtol, self._atol, self._exact = rtol, atol, exact

    @property
    def solution(self) -> Callable:
        return self._solution

    def verdict(self, answer: Any) -> Verdict:
        """What is right or wrong with the function `answer`."""
        if values.unwritten(answer):
            return _todo()
        if not callable(answer):
            return Verdict(False, "type", f"not yet. Pass your function itself, not {reasons.kind(answer)}.")
        cases = list(self._cases(np.random.default_rng(SEED)))
        got: list[_Outcome] = []
        for one in cases:
            got.append(self._run(answer, one))
            if self._not_written(got[-1]):
                return self._nothing(answer, got[-1])
        expected = [self._run(self._solution, one) for one in cases]
        for mine, right in zip(got, expected, strict=True):
            mine.value = values.like(mine.value, right.value)
        if all(map(self._equal, got, expected)):
            return Verdict(True, PASSED, f"passed, {reasons.count(len(cases), 'case')}.")
        for mistake in self.mistakes:
            wrong = (self._run_like(mistake.answer, *pair) for pair in zip(cases, expected, strict=True))
            if all(map(self._equal, got, wrong)):
                return Verdict(False, f"mistake {mistake.name}", f"not yet. {mistake.message}")
        kind, message = self._first_fault(answer, cases, got, expected)
        return Verdict(False, kind, f"not yet. {message}")

    def _run_like(self, function: Any, one: Case, expected: _Outcome) -> _Outcome:
        outcome = self._run(function, one)
        outcome.value = values.like(outcome.value, expected.value)
        return outcome

    def _run(self, function: Any, one: Case) -> _Outcome:
        """Run a function on a copy of the case's arguments."""
        arguments = copy.deepcopy(one.arguments)
        outcome = _Outcome()
        try:
            # Warnings about overflow or division belong to the report below, not on the learner's screen.
            with np.errstate(all="ignore"):
                # A copy, because a function may return one of its arguments and be run again on it.
                outcome.value = copy.deepcopy(values.plain(self._call(_watched(function, outcome), *arguments)))
        except Exception as error:
            outcome.error = error
        outcome.changed = tuple(
            i
            for i, (now, before) in enumerate(zip(arguments, one.arguments, strict=True))
            if values.comparable(before) and not values.same(values.plain(now), values.plain(before), 0.0, 0.0)
        )
        return outcome

    def _not_written(self, outcome: _Outcome) -> bool:
        """Whether the function is still a stub: it returns nothing or `...`, or trips over its own `...`."""
        if outcome.error is None:
            return values.unwritten(outcome.value)
        stopped = isinstance(outcome.error, NotImplementedError) or values.tripped_over_dots(outcome.error)
        return stopped or outcome.nothing

    def _nothing(self, answer: Any, outcome: _Outcome) -> Verdict:
        """A stub, or a function that was written and returns nothing."""
        silent = outcome.nothing or (outcome.error is None and values.all_none(outcome.value))
        if not silent or values.untouched(answer):
            return _todo()
        return Verdict(False, "none", "not yet. Your function returns None. Is its `return` missing?")

    def _equal(self, a: _Outcome, b: _Outcome) -> bool:
        if a.changed != b.changed or (a.error is None) != (b.error is None):
            return False
        if a.error is not None:
            return type(a.error) is type(b.error) and str(a.error) == str(b.error)
        if not values.same(a.value, b.value, self._rtol, self._atol):
            return False
        return not self._exact or values.exactly_typed(a.value, b.value)

    def _first_fault(
        self, answer: Any, cases: list[Case], got: list[_Outcome], expected: list[_Outcome]
    ) -> tuple[str, str]:
        """(kind, message) of the first case that is wrong."""
        wrong = [(c, g, e) for c, g, e in zip(cases, got, expected, strict=True) if not self._equal(g, e)]
        one, mine, right = wrong[0]
        if mine.inside - right.inside and not mine.changed:
            mine.changed = tuple(sorted(mine.inside - right.inside))
        if isinstance(mine.error, _OpaqueResult):
            what = mine.error.args[0]
            name = (
                self._returns[0] if len(self._returns) == 1 and not isinstance(what, (tuple, dict)) else "your result"
            )
            return "type", reasons.opaque(what, name)
        if mine.error is not None:
            return "error", f"{reasons.describe_error(mine.error, answer)} (case: {one})."
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
            for kind, examine in (
                ("type", reasons.wrong_type),
                ("shape", reasons.wrong_shape),
                ("nan", reasons.not_finite),
            ):
                sizes = (one.sizes,) if kind == "shape" else ()
                if problem := examine(yours, wanted, name, *sizes):
                    return kind, f"{problem} (Case: {one}.)"
            if not values.same(yours, wanted, self._rtol, self._atol):
                factor = reasons.fitting_factor(self._pairs(name, wrong))
                said = reasons.wrong_values(yours, wanted, name, self._rtol, self._atol, factor)
                return "values", f"{said} (Case: {one}.)"
            if self._exact and not values.exactly_typed(yours, wanted):
                return "type", f"{reasons.wrong_exact_type(yours, wanted, name)} (Case: {one}.)"
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

    def _pairs(self, name: str, wrong: list[tuple[Case, _Outcome, _Outcome]]) -> list[tuple[Any, Any, dict[str, int]]]:
        """(yours, wanted, sizes) of one returned value in all wrong cases in which it is wrong."""
        found = []
        for one, mine, right in wrong:
            parts = self._parts(mine.value, right.value)
            for label, yours, wanted in [] if isinstance(parts, str) else parts:
                numbers = values.numeric(yours) and values.numeric(wanted)
                if label == name and numbers and not values.same(yours, wanted, self._rtol, self._atol):
                    found.append((yours, wanted, one.sizes))
        return found

    def _parts(self, yours: Any, wanted: Any) -> list[tuple[str, Any, Any]] | str:
        """The returned values one by one with their names, or a message where their number is wrong."""
        if isinstance(wanted, (tuple, list)) and len(self._returns) == len(wanted):
            return _open(yours, wanted, "", list(self._returns))
        return _open(yours, wanted, self._returns[0] if len(self._returns) == 1 else "your result", [])


class _OpaqueResult(Exception):
    """A function returned arrays that hide their numbers: masked ones, or arrays of objects."""


def _watched(function: Any, outcome: _Outcome) -> Any:
    """The function, with a note in `outcome` of arguments that it changes and of calls that return nothing."""
    if not inspect.isfunction(function):
        return function

    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        before = [copy.deepcopy(a) if values.comparable(a) else None for a in arguments]
        result = values.plain(function(*arguments, **named))
        if values.opaque(result):  # `call` would go on with what cannot be compared
            raise _OpaqueResult(result)
        outcome.nothing |= values.all_none(result)
        for i, (now, old) in enumerate(zip(arguments, before, strict=True)):
            if old is not None and not values.same(values.plain(now), values.plain(old), 0.0, 0.0):
                outcome.inside.add(i)
        return result

    return watched


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
            complaints.append(f"an untouched stub ({reasons.short(stub)}) is answered with: {verdict.message}")
    return complaints


def _open(yours: Any, wanted: Any, name: str, names: list[str]) -> list[tuple[str, Any, Any]] | str:
    """Take tuples and dicts apart down to arrays: (name, yours, wanted) for each, or what is wrong with them."""
    if isinstance(wanted, dict):
        keys = ", ".join(map(repr, wanted))
        whole = f"`{name}`" if name and name != "your result" else "your result"
        if not isinstance(yours, dict):
            return f"{reasons.capital(whole)} should be a dict with the keys {keys}, not {reasons.kind(yours)}."
        if yours.keys() != wanted.keys():
            return f"{reasons.capital(whole)} should have the keys {keys}, not {', '.join(map(repr, yours)) or 'none'}."
        prefix = "" if name == "your result" else name
        pieces = [(yours[key], wanted[key], f"{prefix}[{key!r}]") for key in wanted]
    elif isinstance(wanted, (tuple, list)):
        prefix = name if name and name != "your result" else "returned value "
        names = names or [f"{prefix}[{i}]" if prefix == name else f"{prefix}{i + 1}" for i in range(len(wanted))]
        if not isinstance(yours, (tuple, list)) or len(yours) != len(wanted):
            whole = f"`{name}`" if prefix == name else "your result"
            listed = ", ".join(names)
            several = reasons.count(len(wanted), "value")
            return f"{reasons.capital(whole)} should be {several} ({listed}), not {reasons.kind(yours)}."
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
