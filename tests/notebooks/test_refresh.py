"""tools/refresh.py: executes in a fresh kernel, stores the normal form, leaves a failing notebook as it was."""

from __future__ import annotations

import ast
import base64
import errno
import io
import json
import os
import subprocess
import sys

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.notebooks import form
from tools import normalise, refresh, setup_cell


def raw(*sources: str):
    """A notebook as an editor leaves it: not executed, with metadata of its own."""
    cells = [nbformat.v4.new_markdown_cell("# Title  \n\nText ")]
    cells += [nbformat.v4.new_code_cell(source, metadata={"collapsed": False}) for source in sources]
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata = nbformat.from_dict(
        {"kernelspec": {"name": "mine", "display_name": "m"}, "widgets": {}, "colab": {}}
    )
    return made


@pytest.fixture
def folder(tmp_path):
    """A folder inside something that looks like a checkout, so that the setup cell finds `common`."""
    (tmp_path / "src").symlink_to(form.ROOT / "src")
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def test_executes_and_normalises(folder):
    path = folder / "a.ipynb"
    sources = [
        "import os, sys\nprint('shown')\nprint('warned', file=sys.stderr)\nprint('again')",
        "print(os.getcwd().split(os.sep)[-1], os.environ['PYTEST_CURRENT_TEST'], os.environ['OMP_NUM_THREADS'])",
        "import common\ncommon.BOOK[:9]",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    ]
    nbformat.write(raw(*sources), path)
    assert refresh.main([str(path)]) == 0
    page = form.Page("a", nbformat.read(path, 4), path.read_text("utf-8"))
    assert form.executed(page) + form.normal_form(page) + form.setup(page) == []
    outputs = [cell.outputs for cell in page.code]
    assert outputs[0] == []
    assert [o.text for o in outputs[1]] == ["shown\nagain\n"], "streams are merged, standard error is dropped"
    assert outputs[2][0].text == f"notebooks refresh {os.environ['OMP_NUM_THREADS']}\n"
    assert outputs[3][0].data["text/plain"] == "'Recurrent'"
    assert set(outputs[4][0].data) == {"image/png", "text/plain"}
    assert set(page.notebook.metadata) == {"kernelspec", "language_info"}
    assert page.text.endswith("}\n")
    assert page.text.startswith('{\n "cells"')


def test_ids_and_text_stay_when_it_runs_again(folder):
    path = folder / "a.ipynb"
    nbformat.write(raw("print(1)"), path)
    refresh.main([str(path)])
    once = path.read_bytes()
    refresh.main([str(path)])
    assert path.read_bytes() == once


def test_a_failing_cell_leaves_the_file_untouched(folder, capsys):
    good, bad = folder / "good.ipynb", folder / "bad.ipynb"
    nbformat.write(raw("print(1)"), good)
    nbformat.write(raw("print(1)", "x = 1\nundefined_name"), bad)
    before = bad.read_bytes()
    assert refresh.main([str(folder)]) == 1
    said = capsys.readouterr().out
    assert bad.read_bytes() == before
    assert "bad.ipynb  FAILED, file unchanged: code cell 3 of 3 (x = 1)" in said
    assert "NameError: name 'undefined_name' is not defined" in said
    assert "\x1b" not in said
    assert refresh.main(["--check", str(good)]) == 0, "the other notebook was refreshed all the same"
    assert sorted(p.name for p in folder.iterdir()) == ["bad.ipynb", "good.ipynb"]


def test_a_cell_that_hangs_is_stopped(folder):
    path = folder / "slow.ipynb"
    nbformat.write(raw("import time\ntime.sleep(60)"), path)
    before = path.read_bytes()
    with pytest.raises(refresh.CellFailed, match="code cell 2 of 2"):
        refresh.execute(path, timeout=1)
    assert path.read_bytes() == before


def test_check_and_normalise_do_not_execute(folder, capsys):
    path = folder / "a.ipynb"
    nbformat.write(raw("raise SystemError"), path)
    before = path.read_bytes()
    assert refresh.main(["--check", str(path)]) == 1
    assert "not in normal form" in capsys.readouterr().out
    assert path.read_bytes() == before
    assert refresh.main(["--normalise", str(path)]) == 0
    assert refresh.main(["--check", str(path)]) == 0
    stored = nbformat.read(path, 4)
    assert [c.execution_count for c in stored.cells if c.cell_type == "code"] == [None, None], (
        "not executed stays visible"
    )


def test_writing_is_atomic(folder, monkeypatch):
    path = folder / "a.ipynb"
    path.write_text("old")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        normalise.write(normalise.normalise(raw("x = 1")), path)
    assert path.read_text() == "old"
    assert [p.name for p in folder.iterdir()] == ["a.ipynb"]


def test_a_path_that_does_not_exist_is_said(folder):
    command = [sys.executable, str(form.ROOT / "tools" / "refresh.py"), "nowhere.ipynb"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such notebook or folder: nowhere.ipynb" in done.stderr
    assert "Traceback" not in done.stderr


CONFLICT = """{
 "cells": [],
<<<<<<< HEAD
 "metadata": {},
=======
 "metadata": {"a": 1},
>>>>>>> theirs
 "nbformat": 4,
 "nbformat_minor": 5
}
"""
NO_NOTEBOOKS = {
    "conflict": (CONFLICT, "a merge conflict is left in it, first in line 3; take one side whole, with git checkout"),
    "cut": (
        '{"cells": [',
        "not a notebook (no JSON: Expecting value: line 1 column 12 (char 11)); take the stored one",
    ),
    "empty": ("", "not a notebook (no JSON: Expecting value"),
    "another object": ("{}", "not a notebook ("),
    "a list": ("[1]", "not a notebook ("),
    "cells": ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 1}', "not a notebook ("),
    "latin": (
        '{"nbformat": 4, "metadata": {}, "cells": [], "é": 1}'.encode("latin-1"),
        "not a notebook, it is not UTF-8",
    ),
}


@pytest.mark.parametrize("option", [["--check"], ["--normalise"], []], ids=["check", "normalise", "execute"])
@pytest.mark.parametrize("fault", NO_NOTEBOOKS)
def test_a_file_that_is_no_notebook_is_named_and_the_others_are_done(folder, capsys, fault, option):
    content, said = NO_NOTEBOOKS[fault]
    content = content if isinstance(content, bytes) else content.encode()
    bad, good = folder / "bad.ipynb", folder / "good.ipynb"
    bad.write_bytes(content)
    nbformat.write(raw("print(1)") if option else nbformat.v4.new_notebook(), good)
    assert refresh.main([*option, str(folder)]) == 1
    out, err = capsys.readouterr()
    assert f"{os.path.relpath(bad)}: {said}" in out
    assert "good.ipynb" in out
    assert "Traceback" not in out + err
    assert bad.read_bytes() == content


@pytest.mark.parametrize("fault", NO_NOTEBOOKS)
def test_the_tests_of_the_form_name_the_file_too(tmp_path, monkeypatch, fault):
    content, _ = NO_NOTEBOOKS[fault]
    monkeypatch.setattr(form, "ROOT", tmp_path)
    path = tmp_path / "notebooks" / "bad.ipynb"
    path.parent.mkdir()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(normalise.NotANotebookError, match=r"notebooks/bad\.ipynb: "):
        form.Page.read(path)


def tidied(source: str, kind: str = "code") -> str:
    made = getattr(nbformat.v4, f"new_{kind}_cell")(source)
    once = normalise._tidied(made)
    made.source = once
    assert normalise._tidied(made) == once, "a second time changes nothing"
    return once


@pytest.mark.parametrize(
    ("code", "stays"),
    [
        ("x = 1   \ny = 2\t\n\n", "x = 1\ny = 2"),
        ('s = """a   \nb  """  \nx = 1  ', 's = """a   \nb  """\nx = 1'),
        ("s = f'''{1}   \n   \n{2}  '''  ", "s = f'''{1}   \n   \n{2}  '''"),
        ("s = f'''a  \n{f(\n1)}  \n'''  \n# end  ", "s = f'''a  \n{f(\n1)}  \n'''\n# end"),
        ("s = 'a  \\\nb'  ", "s = 'a  \\\nb'"),
        ("def f():  \n    '''Say.   \n\n    More.  '''  \n\n    return 1  ", None),
        ("%matplotlib inline  \nx = 1  ", "%matplotlib inline\nx = 1"),
        ('!ls "*.py"  \ns = """a  \n"""  ', '!ls "*.py"\ns = """a  \n"""'),
        ("!echo '''  \nx = 1  ", "!echo '''\nx = 1"),
        ("%%bash  \necho a  ", "%%bash  \necho a  "),
        ("s = '''never closed  ", "s = '''never closed  "),
        ("if x:  \n        a  \n    b  ", "if x:  \n        a  \n    b  "),
        ("# ünïcode  \ns = '''é  \n'''  ", "# ünïcode\ns = '''é  \n'''"),
    ],
)
def test_blanks_inside_strings_are_content(code, stays):
    if stays is None:
        stays = "def f():\n    '''Say.   \n\n    More.  '''\n\n    return 1"
    assert tidied(code) == stays


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("a  \nb", "a  \nb"),
        ("a     \nb ", "a  \nb"),
        ("a \nb\t\nc", "a\nb\nc"),
        ("a  \n\nb  ", "a\n\nb"),
        ("a  \n   \nb", "a\n\nb"),
        ("```python\nx   \n   \n```  \nb", "```python\nx   \n   \n```  \nb"),
        ("~~~\n```   \n~~~\na   \nb", "~~~\n```   \n~~~\na  \nb"),
        ("a\u2003\nb", "a\nb"),
    ],
)
def test_a_line_break_of_markdown_is_content(text, stays):
    assert tidied(text, "markdown") == stays


def test_a_raw_cell_is_content():
    assert tidied("a  \n b  ", "raw") == "a  \n b  "


@given(st.text(" \t\nabx=1'\"#`~%!({f\\", max_size=60), st.sampled_from(["code", "markdown", "raw"]))
@settings(deadline=None, max_examples=300)
def test_tidying_twice_changes_nothing_and_what_the_code_means_stays(source, kind):
    once = tidied(source, kind)
    assert once.split() == source.split()
    if kind == "code":
        try:
            meaning = ast.dump(ast.parse(source))
        except (SyntaxError, ValueError):
            return
        assert ast.dump(ast.parse(once)) == meaning


def test_a_network_drive_that_cannot_force_a_file_to_the_disk_will_do(folder, monkeypatch):
    def cannot(handle):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", cannot)
    normalise.write(normalise.normalise(raw("x = 1")), folder / "a.ipynb")
    assert normalise.is_normal(folder / "a.ipynb")


def test_normal_form_in_detail():
    made = raw("1", "", "print(1)   ", "# @title Solution\n2")
    made.cells[1].id = made.cells[3].id = "twice"
    made.cells[4].metadata = nbformat.from_dict({"tags": ["solution"], "mystnb": {"image": {"alt": "kept"}}, "id": "x"})
    made.cells[1].execution_count = 7
    made.cells[1].outputs = [
        nbformat.v4.new_output(
            "execute_result", data={"text/plain": "1", "image/svg+xml": "<svg/>"}, execution_count=7
        ),
        nbformat.v4.new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}),
    ]
    cells = normalise.normalise(made).cells
    assert [cell.cell_type for cell in cells] == ["markdown", "code", "code", "code", "code"], "empty cells go"
    assert cells[0].source == "# Title\n\nText"
    assert cells[1].source == setup_cell.current()
    assert cells[1].metadata.tags == ["setup", "hide-cell"]
    assert cells[2].execution_count == 2
    assert [(o.output_type, dict(o.data), o.execution_count) for o in cells[2].outputs] == [
        ("execute_result", {"text/plain": "1"}, 2)
    ]
    assert cells[3].source == "print(1)"
    assert cells[4].metadata == {
        "cellView": "form",
        "tags": ["solution", "hide-cell"],
        "mystnb": {
            "image": {"alt": "kept"},
            "code_prompt_show": "Show the solution",
            "code_prompt_hide": "Hide the solution",
        },
    }
    identifiers = [cell.id for cell in cells]
    assert len(set(identifiers)) == len(identifiers)
    assert "twice" in identifiers, "a valid id is kept once"
    text = normalise.text(made)
    assert (
        text
        == json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False, separators=(",", ": ")) + "\n"
    )


def test_a_figure_gets_a_palette_once():
    """A third of the size, and no difference one could see; a second pass leaves every byte alone."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    blends = np.linspace(0, 255, 50).astype(np.uint8)  # of a colour with white, as at the edge of a line
    figure = np.full((120, 200, 4), 255, np.uint8)
    figure[20:60, :, 0] = rng.choice(blends, (40, 200))
    figure[70:110, :, 2] = rng.choice(blends, (40, 200))

    def encoded(array) -> str:
        file = io.BytesIO()
        Image.fromarray(array).save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()

    def decoded(picture: str):
        return Image.open(io.BytesIO(base64.b64decode(picture)))

    once = normalise._with_palette(encoded(figure))
    assert decoded(once).mode == "P"
    assert np.abs(np.asarray(decoded(once).convert("RGB"), int) - figure[..., :3]).max() <= 12
    assert normalise._with_palette(once) == once
    figure[0, 0, 3] = 0  # something to see through: a palette would lose it
    assert normalise._with_palette(encoded(figure)) == encoded(figure)
