"""Every check of the book meets the same battery: right answers in other forms, and wrong ones made from the right.

The answers are made from what the check's solution returns, so a new check is under test as soon as it exists.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import common.exercises
from common.exercises import core


def load() -> dict[str, core.Check]:
    for module in pkgutil.walk_packages(common.exercises.__path__, "common.exercises."):
        importlib.import_module(module.name)
    found = {name: check for name, check in core.REGISTRY.items() if check.module.startswith("common.exercises.")}
    return {name: check for name, check in found.items() if isinstance(check, core.Check)}


CHECKS = {name: check for name, check in load().items() if inspect.isfunction(check.solution)}


class Tensor:
    """What a check needs of a tensor of PyTorch; PyTorch itself is not loaded here."""

    def __init__(self, value):
        self.value = value

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.value


def each(change, value):
    """`change` applied to the arrays of what a solution returns."""
    if isinstance(value, dict):
        return {key: each(change, part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(each(change, part) for part in value)
    return change(value) if isinstance(value, np.ndarray) else value


def numbers(change, value):
    """The same for plain numbers too, but not for whole ones and truth values."""
    if isinstance(value, dict):
        return {key: numbers(change, part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(numbers(change, part) for part in value)
    return (
        change(value)
        if isinstance(value, (float, np.floating, np.ndarray)) and np.asarray(value).dtype.kind == "f"
        else value
    )


def changed(check, how, through=each):
    """The solution with `how` done to what it returns."""

    @functools.wraps(check.solution)
    def answer(*arguments):
        return through(how, check.solution(*arguments))

    return answer


def rebuilt(array):
    out = np.empty_like(array)
    for index in np.ndindex(array.shape):
        out[index] = array[index]
    return out


def in_place(array):
    out = array.copy()
    out[...] = 0
    out += array
    return out


def single(array):
    return array.astype(np.float32) if array.dtype == np.float64 else array


# Weights that a learner sets by hand are judged by what they do, and that has no sign of its own.
BY_HAND = {"check_two_units", "check_memory_by_hand", "check_counter_by_hand"}
STYLES = {"loops": rebuilt, "in place on a new array": in_place, "lists": np.ndarray.tolist, "float32": single}
STYLES["tensors"] = Tensor


def arrays(check):
    """The arrays that the solution returns, with the sizes of their cases."""
    found = []
    for one in check._cases(np.random.default_rng(core.SEED)):
        each(lambda array, one=one: found.append((array, one.sizes)), check._run(check.solution, one).value)
    return found


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", CHECKS)
def test_a_right_answer_passes_in_every_style(name, style):
    verdict = CHECKS[name].verdict(changed(CHECKS[name], STYLES[style]))
    assert verdict.passed, verdict.message


@pytest.mark.parametrize("name", CHECKS)
def test_a_forgotten_return_is_told(name):
    check = CHECKS[name]

    @functools.wraps(check.solution)
    def silent(*arguments):
        check.solution(*arguments)

    assert check.verdict(silent) == core.Verdict(
        False, "none", "not yet. Your function returns None. Is its `return` missing?"
    )


def named(check, answer, *words):
    """Whether the verdict says what was done, by one of the words or as one of the check's own mistakes."""
    verdict = check.verdict(answer)
    if verdict.passed or verdict.kind.startswith("mistake"):
        return ""
    return "" if any(word in verdict.message for word in words) else verdict.message


@pytest.mark.parametrize("name", sorted(CHECKS.keys() - BY_HAND))
def test_a_negated_answer_is_named(name):
    check = CHECKS[name]
    assert not named(check, changed(check, lambda value: -value, numbers), "sign", "raises")


@pytest.mark.parametrize("name", CHECKS)
def test_a_transposed_answer_is_named(name):
    check = CHECKS[name]
    if any(array.ndim > 1 for array, _ in arrays(check)):
        assert not named(check, changed(check, np.transpose), "transposed", "should have shape", "raises")


@pytest.mark.parametrize("how", ["summed", "averaged"])
@pytest.mark.parametrize("name", CHECKS)
def test_an_answer_without_its_batch_is_named(name, how):
    check = CHECKS[name]
    first = next(iter(check._cases(np.random.default_rng(core.SEED))))
    B = first.sizes.get("B")
    if not B or B == 1 or list(first.sizes.values()).count(B) > 1:
        pytest.skip("no batch, or its size is not its own")

    def reduce(array):
        if B not in array.shape or array.dtype.kind != "f":
            return array
        axis = array.shape.index(B)
        return array.sum(axis) if how == "summed" else array.mean(axis)

    assert not named(check, changed(check, reduce), f"{how} over the batch", "raises")


@pytest.mark.parametrize("name", CHECKS)
def test_masked_and_object_arrays_are_never_right_and_never_a_traceback(name):
    check = CHECKS[name]
    if not arrays(check):
        pytest.skip("returns no array")
    behind = changed(check, lambda array: np.ma.masked_array(np.zeros_like(array), mask=np.ones(array.shape, bool)))
    for answer in (behind, changed(check, lambda array: array.astype(object))):
        verdict = check.verdict(answer)
        assert not verdict.passed
        assert verdict.message.startswith("not yet. ")
        assert "\n" not in verdict.message
