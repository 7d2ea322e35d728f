"""tools/browser.py on machines with one browser, with none, and with one that does not start."""

from __future__ import annotations

import os
import sys

import pytest

from tools import browser

WORKS = "#!/bin/sh\necho 'Chromium 150.0'\n"
BROKEN = "#!/bin/sh\necho 'install the snap of chromium' >&2\nexit 1\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without any browser; the function adds a program to its PATH."""

    def add(name, text):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.setattr(browser, "MAC_APPLICATIONS", ())
    browser.find.cache_clear()
    yield add
    browser.find.cache_clear()


def test_none(machine):
    assert browser.find() is None


def test_the_first_that_runs_is_taken(machine):
    machine("chromium-browser", BROKEN)
    chrome = machine("google-chrome", WORKS)
    assert browser.find() == chrome


def test_the_named_one_and_no_other(machine, monkeypatch):
    machine("chromium", WORKS)
    mine = machine("mine", WORKS)
    monkeypatch.setenv("BROWSER_PATH", str(mine))
    assert browser.find() == mine
    browser.find.cache_clear()
    monkeypatch.setenv("BROWSER_PATH", "/nowhere/chrome")
    assert browser.find() is None


def test_playwrights_own_download(machine, tmp_path):
    path = browser._playwrights_own()
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(WORKS)
    path.chmod(0o755)
    assert browser.find() == path


def test_debians_package_first_where_it_may_be_installed(machine, monkeypatch, tmp_path):
    machine("env", '#!/bin/sh\nshift; exec "$@"\n')
    get = f"#!/bin/sh\nif [ $1 = install ]; then {sys.executable} -c 'import os, sys; os.replace(*sys.argv[1:])' "
    get += f"{tmp_path}/waiting {tmp_path}/chromium; fi\n"
    machine("apt-get", get)
    machine("waiting", WORKS)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert browser.get() == tmp_path / "chromium"


def test_sudo_that_asks_for_a_password_is_not_used(machine, monkeypatch):
    machine("apt-get", WORKS)
    machine("sudo", "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert [commands[-1][1:] for commands in browser._ways()] == [["-m", "playwright", "install", "chromium"]]


def test_what_is_said_when_there_is_none_to_be_had(machine, monkeypatch, capsys):
    monkeypatch.setattr(browser, "_succeeds", lambda command: False)
    assert browser.main() == 1
    assert capsys.readouterr().err.startswith("No browser could be installed. Install Chromium or Chrome by hand")


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("", False), ("false", False)])
def test_required_in_continuous_integration(monkeypatch, value, expected):
    monkeypatch.setenv("CI", value)
    assert browser.required() is expected
