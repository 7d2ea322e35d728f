"""pyproject.toml, lock.txt and environment.yml say the same, and admit the machines the book is made for."""

from __future__ import annotations

import importlib.metadata
import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = [PROJECT["project"]["dependencies"], *EXTRAS.values()]
DECLARED = [Requirement(line) for group in GROUPS for line in group]
LOCK = [Requirement(line) for line in (ROOT / "lock.txt").read_text().splitlines()]

PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = {
    "Linux": {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux", "platform_machine": "x86_64"},
    "macOS": {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin", "platform_machine": "arm64"},
}
# Colab in the summer of 2026; of the last numbers, which it changes at any time, only NumPy's is known.
COLAB = {
    "python": "3.12",
    "numpy": "2.0.2",
    "torch": "2.11.0",
    "tensorflow": "2.20.0",
    "keras": "3.13.0",
    "ipython": "7.34.0",
}


def locked(name, python, system):
    """The versions that the lock has for a package on one Python and system."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", **SYSTEMS[system]}
    environment |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    lines = [line for line in LOCK if canonicalize_name(line.name) == canonicalize_name(name)]
    fitting = [line for line in lines if line.marker is None or line.marker.evaluate(environment)]
    return [str(line.specifier).removeprefix("==") for line in fitting]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_one_version_of_every_dependency(python, system):
    for requirement in DECLARED:
        versions = locked(requirement.name, python, system)
        assert len(versions) == 1, f"{requirement.name}: {versions} on Python {python}; run `make lock`"
        assert requirement.specifier.contains(versions[0]), f"{requirement}, but lock.txt has {versions[0]}"


def test_the_lock_is_exact():
    for line in LOCK:
        assert re.fullmatch(r"==\d[\w.]*", str(line.specifier)), str(line)


def test_the_lock_has_the_versions_chosen_by_hand():
    lines = {str(line).split(";")[0].strip() for line in LOCK}
    assert set(PROJECT["tool"]["book"]["pins"]) <= lines


def test_the_lock_has_everything_that_is_installed():
    """Each package that the book's dependencies bring, as far as it is installed here, has its line in the lock."""
    if os.environ.get("LOCK") == "":
        pytest.skip("the newest versions are installed, without the lock")
    names = {canonicalize_name(line.name) for line in LOCK}
    waiting, seen = list(DECLARED), set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if (name, *extras) in seen or not applies(requirement, {""}):
            continue
        seen.add((name, *extras))
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        assert name in names, f"{name} is installed but not in lock.txt; run `make lock`"
        brought = [Requirement(line) for line in distribution.requires or []]
        waiting += [r for r in brought if applies(r, extras)]
    assert len(seen) > len(DECLARED)


def applies(requirement, extras):
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


def test_ranges_admit_what_colab_has():
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(COLAB["python"])
    for name, version in COLAB.items():
        if name != "python":
            (requirement,) = [r for r in DECLARED if r.name == name]
            assert requirement.specifier.contains(version), f"Colab has {name} {version}, we ask for {requirement}"


def test_what_the_site_is_built_with_is_pinned():
    """Jupyter Book 2 drops what this book is made with, and a point release of a theme broke the other."""
    pins = {r.name: str(r.specifier) for r in map(Requirement, EXTRAS["book"])}
    assert pins["jupyter-book"] == "==1.0.4.post1"
    assert pins["sphinx-book-theme"].startswith("==")
    assert pins["pydata-sphinx-theme"].startswith("==")


def test_the_site_needs_no_framework():
    heavy = {"torch", "tensorflow", "keras", "jax", "matplotlib"}
    assert not heavy & {Requirement(line).name for line in [*EXTRAS["book"], *PROJECT["project"]["dependencies"]]}


def test_conda_users_get_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["project"]["name"]
    *conda, last = environment["dependencies"]
    assert "pip" in conda
    (python,) = [line for line in conda if line.startswith("python=")]
    assert python.removeprefix("python=") in PYTHONS
    options = [line for line in last["pip"] if line.startswith("-")]
    assert options == ["-c lock.txt", "-e ."]
    listed = [Requirement(line) for line in last["pip"] if not line.startswith("-")]
    assert sorted(map(str, listed)) == sorted(map(str, DECLARED))
