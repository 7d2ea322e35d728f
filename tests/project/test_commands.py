"""The commands that people type: the README, the Makefile, continuous integration and the workflows agree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").glob("*.md")), *WORKFLOWS]


def commands(text):
    """The targets of all `make` commands in a text: in code, after a `$`, or in a workflow's step."""
    return set(re.findall(r"(?:`|^|run: |\$ )make ([a-z]+)\b", text, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_named_exists(document):
    assert commands(document.read_text()) <= TARGETS


def test_the_readme_names_the_two_commands():
    block = re.search(r"## Two commands\n.*?```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert [line.split("#")[0].strip() for line in block.splitlines()] == ["make book", "make test"]


def test_continuous_integration_runs_the_readmes_test_command():
    path = ROOT / ".ci/run"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines == ['cd "$(dirname "$0")/.." && exec make --no-print-directory test']
    assert path.stat().st_mode & 0o111
    assert ".ci/run" in (ROOT / ".github/workflows/test.yml").read_text()


def test_one_call_of_pytest_closes_the_test_command():
    recipe = MAKEFILE.split("\ntest:")[1].split("\n\n")[0]
    assert recipe.count("-m pytest") == 1
    last = recipe.rstrip().splitlines()[-1]
    for option in ("-m pytest $(TESTS)", "-n $$workers", "--dist loadfile", "--nbval ", "--nbval-current-env"):
        assert option in f"{last} "
    assert re.search(r"^TESTS \?= tests notebooks$", MAKEFILE, re.MULTILINE)


def test_help_lists_every_target():
    answer = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = answer.stdout.splitlines()
    assert {line.split()[1] for line in lines} == TARGETS
    assert all(re.fullmatch(r"make [a-z]+ +\S.{10,80}", line) for line in lines)
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1]
    assert set(phony.split()) == TARGETS


def test_every_program_that_make_runs_exists():
    programs = set(re.findall(r"tools/[\w.]+", MAKEFILE))
    assert len(programs) > 5
    assert [name for name in programs if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_careful(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    # YAML 1.1 reads the key "on" as true.
    assert workflow[True]
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@v\d+", step["uses"]), step["uses"]
            assert "github.event" not in step.get("run", ""), "what strangers wrote must not reach a shell"
        if "permissions" in job:
            assert not any("checkout" in step.get("uses", "") for step in job["steps"]), (
                f"{name} may write and runs code"
            )


def test_the_tests_run_on_the_oldest_and_the_newest_python():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]


def test_pre_commit_uses_the_locked_versions():
    lock = (ROOT / "lock.txt").read_text().splitlines()
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in configuration["repos"] for hook in repository["hooks"]]
    assert [hook["id"] for hook in hooks] == ["ruff-check", "ruff-format", "notebooks"]
    for hook in hooks:
        assert set(hook["additional_dependencies"]) <= set(lock), hook["id"]


def test_the_citation_is_valid():
    """The keys are those of the Citation File Format 1.2.0."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    known = "abstract authors cff-version commit contact date-released doi identifiers keywords license license-url "
    known += (
        "message preferred-citation references repository repository-artifact repository-code title type url version"
    )
    assert set(citation) <= set(known.split())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": "the contributors of the book"}]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"]
    assert " AND ".join(citation["license"]) == project["license"]


def test_the_licence_says_both():
    text = (ROOT / "LICENSE").read_text()
    assert "Permission is hereby granted, free of charge, to any person obtaining a copy" in text
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in text
    readme = (ROOT / "README.md").read_text()
    assert "[MIT](LICENSE)" in readme
    assert "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)" in readme


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_of_the_readme_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_the_site_executes_nothing():
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert settings["execute"]["execute_notebooks"] == "off"


def test_a_chapter_takes_ten_lines():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.split("## A chapter in ten lines\n")[1].split("\n## ")[0]
    assert re.findall(r"^(\d+)\. ", section, re.MULTILINE) == [str(n) for n in range(1, 11)]
    assert len(section.strip().splitlines()) == 10
