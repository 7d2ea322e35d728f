"""Every check of every exercise: its solution passes, its mistakes are recognised, a stub is met kindly.

New modules under `common.exercises` are found by themselves.
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import common.exercises
from common.exercises import core
from tests.notebooks import form


def load() -> dict[str, core.Exercise]:
    """The book's checks by name, after importing every module that may hold one."""
    for module in pkgutil.walk_packages(common.exercises.__path__, "common.exercises."):
        importlib.import_module(module.name)
    return {name: found for name, found in core.REGISTRY.items() if found.module.startswith("common.exercises.")}


CHECKS = load()


@pytest.mark.parametrize("name", CHECKS)
def test_check_tells_right_from_wrong(name):
    complaints = core.prove(CHECKS[name])
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("name", CHECKS)
def test_check_is_found_under_its_name(name):
    module = importlib.import_module(CHECKS[name].module)
    assert getattr(module, name, None) is CHECKS[name], f"{module.__name__} has no variable {name} that holds it"


def test_there_are_checks_and_the_notebooks_use_them_all():
    assert CHECKS, "no check registered: the tests above would pass on nothing"
    complaints = form.used_checks(form.pages(), CHECKS)
    assert not complaints, "\n".join(complaints)
