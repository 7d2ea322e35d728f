"""Plays Colab: one notebook alone in an empty folder, its setup cell fetches the book.

`google.colab` is a made-up package without `google/__init__.py`, which would hide TensorFlow's protobuf. A
`sitecustomize` imports it, as Colab's kernel does, and takes this checkout off the path. git redirects the book's
address to a local repository made of the files of this checkout.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.notebooks.form import ROOT
from tools import environment, repository, setup_cell

ADDRESS = "https://github.com/somebody/recurrent-networks"
NOTEBOOK = ROOT / "notebooks" / "02_rnn" / "1_derivation.ipynb"
CELLS = 3  # code cells that are run: the setup, the imports and one more

SITE = """
import os, sys
sys.path[:] = [p for p in sys.path if os.path.realpath(p) != {source!r}]
if {colab}:
    import google.colab
"""


def clean() -> dict[str, str]:
    """The environment without PYTHONPATH and without what git sets for its hooks."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith("GIT_")}


def git(*arguments: str, cwd: Path) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=cwd, env=clean(), check=True, capture_output=True)


@pytest.fixture(scope="module")
def remote(tmp_path_factory) -> Path:
    """A git repository that holds this book as it is now, committed or not."""
    folder = tmp_path_factory.mktemp("remote")
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "src", ignore=skip)
    shutil.copy(ROOT / "_config.yml", folder)
    git("init", "-q", "-b", "main", ".", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-q", "-m", "the book", cwd=folder)
    return folder


@pytest.fixture
def alone(tmp_path) -> Path:
    """An empty folder with one notebook, whose setup cell has been given an address."""
    work = tmp_path / "content"
    work.mkdir()
    text = NOTEBOOK.read_text("utf-8")
    (work / NOTEBOOK.name).write_text(repository.with_setup(text, setup_cell.text(ADDRESS)), "utf-8")
    return work


def variables(work: Path, remote: Path | None, colab: bool) -> dict[str, str]:
    """The environment of a kernel in Colab, with git's view of ADDRESS."""
    fake = work.parent / "fake"
    (fake / "google" / "colab").mkdir(parents=True, exist_ok=True)
    (fake / "google" / "colab" / "__init__.py").touch()
    (fake / "sitecustomize.py").write_text(SITE.format(source=str(ROOT / "src"), colab=colab))
    target = f"file://{remote}" if remote else f"file://{work.parent}/nothing"
    found = clean()
    environment.prepare(found)
    return found | {
        "PYTHONPATH": str(fake),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{target}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
        "GIT_TERMINAL_PROMPT": "0",
    }


def play(work: Path, remote: Path | None, *, colab: bool = True, cells: int = 1) -> str:
    """Run the first code cells of the one notebook in `work`.

    Returns where `common` came from, or the error of the cell that failed. `remote` is the repository behind ADDRESS;
    None leaves git without a network.
    """
    (path,) = work.glob("*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"][:cells]
    notebook.cells = [*code, nbformat.v4.new_code_cell("import common\nprint(common.__file__)")]
    manager = AsyncKernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = sys.executable
    client = NotebookClient(notebook, km=manager, timeout=120)
    try:
        client.execute(cwd=str(work), env=variables(work, remote, colab), stderr=subprocess.DEVNULL)
    except CellExecutionError as error:  # its text also holds the cell's code, so only the error's own message counts
        return f"{error.ename}: {error.evalue}"
    finally:
        if manager.has_kernel:
            run_sync(manager.shutdown_kernel)(now=True)
    assert notebook.cells[0].outputs == [], "the setup cell is silent"
    return notebook.cells[-1].outputs[0].text.strip()


def files(work: Path) -> list[str]:
    return sorted(p.name for p in work.iterdir() if p.name != ".ipynb_checkpoints")


def test_a_notebook_alone_fetches_the_book_once(alone, remote):
    clone = alone / "recurrent-networks"
    init = str(clone / "src" / "common" / "__init__.py")
    assert play(alone, remote, cells=CELLS) == init
    assert files(alone) == [NOTEBOOK.name, "recurrent-networks"], "nothing but the clone is left behind"
    (clone / "mine.txt").touch()
    assert play(alone, None) == init, "the second time it needs no network"
    assert (clone / "mine.txt").exists()


def test_a_clone_that_was_killed_is_not_taken_for_the_book(alone, remote):
    """A git that has fetched a part and then hangs; the kernel is killed. The next run fetches the whole."""
    slow = alone.parent / "slow"
    slow.mkdir()
    (slow / "git").write_text(
        '#!/bin/sh\nfor last; do :; done\nmkdir -p "$last/src/common"\n'
        'touch "$last/src/common/checks.py" "$last/src/common/__init__.py" "$last/../started"\nexec sleep 60\n'
    )
    (slow / "git").chmod(0o755)
    environment_ = variables(alone, remote, colab=True)
    environment_["PATH"] = f"{slow}{os.pathsep}{environment_['PATH']}"
    run = subprocess.Popen(
        [sys.executable, "-c", setup_cell.text(ADDRESS)], cwd=alone, env=environment_, start_new_session=True
    )
    for _ in range(200):
        if list(alone.glob("*/started")):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the slow git did not start")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert play(alone, remote) == str(alone / "recurrent-networks" / "src" / "common" / "__init__.py")


def test_without_network_it_says_so_and_the_next_run_recovers(alone, remote):
    assert play(alone, None).startswith(f"RuntimeError: {ADDRESS} could not be fetched. fatal:")
    assert files(alone) == [NOTEBOOK.name], "no half folder"
    assert "recurrent-networks" in play(alone, remote)


def test_without_address_it_says_what_to_set(alone, remote):
    path = alone / NOTEBOOK.name
    path.write_text(repository.with_setup(path.read_text("utf-8"), setup_cell.text("")), "utf-8")
    assert play(alone, remote) == "RuntimeError: Write the address of the book's repository into ADDRESS."


NOT_FOUND = "ImportError: src/common was not found. Open the notebook in its place in the book's folder."


def test_elsewhere_than_colab_nothing_is_fetched(alone, remote):
    assert play(alone, remote, colab=False) == NOT_FOUND
    assert files(alone) == [NOTEBOOK.name]


def test_another_package_called_common_is_not_taken_for_the_book(alone, remote):
    (alone / "common.py").write_text("x = 1\n")
    assert play(alone, remote, colab=False) == NOT_FOUND


@pytest.mark.parametrize("colab", [False, True])
def test_inside_the_book_it_uses_that_folder(alone, colab):
    """On the reader's machine and in Colab alike, and without installing."""
    (alone.parent / "src").symlink_to(ROOT / "src")
    assert Path(play(alone, None, colab=colab)).parent.parent == alone.parent / "src"
