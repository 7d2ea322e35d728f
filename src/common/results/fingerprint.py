"""The code behind a result, as fingerprints that change when the code does and not when its layout does.

A fingerprint is taken of the syntax tree, so comments, docstrings, blank lines and line breaks do not count. It is
the same under every Python the book supports.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

COMMON = Path(__file__).resolve().parents[1]

# Modules that show, check or store results and compute none: a new colour makes no record stale.
SHOW_ONLY = (
    "common",
    "common.disk",
    "common.exercises",
    "common.explorer",
    "common.plots",
    "common.results",
    "common.tables",
)


def code_behind(notebook: Path, common: Path = COMMON, *, experiment: str | None = None) -> dict[str, str]:
    """Return part -> fingerprint for a notebook: "notebook" for its own code, then every `common` module it uses.

    experiment  count the cells up to the one that saves this experiment: what comes later cannot have made its record,
                it only shows it. All cells when None, or when nothing saves it

    A module counts when the notebook imports it or when a module that counts imports it. The setup cell does not
    count (it holds the book's address), nor do the modules of SHOW_ONLY.

    Raises FileNotFoundError if there is no such notebook.
    """
    trees = [_without_docstrings(_parsed(source)) for source in _code_cells(notebook)]
    trees = trees[: _saved_in(trees, experiment) + 1]
    parts = {"notebook": _hash("\n".join(map(canonical, trees)))}
    waiting = [module for tree in trees for module in _imports(tree, "", common)]
    while waiting:
        module = waiting.pop()
        if module in parts or _shows_only(module):
            continue
        path = _file_of(module, common)
        tree = _without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
        parts[module] = _hash(canonical(tree))
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        waiting += _imports(tree, package, common)
    return {name: parts[name] for name in sorted(parts, key=lambda name: (name != "notebook", name))}


def _saved_in(trees: list[ast.Module], experiment: str | None) -> int:
    """Return the number of the last cell that saves the experiment; that of the last cell if none does."""
    run, found = None, len(trees) - 1
    for number, tree in enumerate(trees):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and (named := _experiment(node.value)):
                name = getattr(node.targets[0], "id", None)
                run = name if named == experiment else None if name == run else run
            elif run and _saves(node, run):
                found = number
    return found


def _saves(node: ast.AST, run: str) -> bool:
    """Whether a node is the call `run.save(…)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr == "save" and getattr(node.func.value, "id", None) == run


def _experiment(node: ast.AST) -> str | None:
    """Return the name in a call `results.experiment("name", …)`, None for anything else."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Attribute, ast.Name)):
        return None
    called = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
    first = node.args[0] if called == "experiment" and node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def canonical(node) -> str:
    """Return a syntax tree as text that is the same in every Python: `ast.dump` changes between versions."""
    if isinstance(node, ast.JoinedStr):
        # Python 3.12 puts empty strings between the pieces of an f-string.
        return f"JoinedStr({canonical([piece for piece in node.values if not _is_empty_string(piece)])})"
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_comment"))
        # Fields that are empty say nothing, and newer Pythons have more of them.
        written = ", ".join(f"{name}={canonical(value)}" for name, value in fields if value not in (None, []))
        return f"{type(node).__name__}({written})"
    if isinstance(node, list):
        return "[" + ", ".join(map(canonical, node)) + "]"
    return f"{type(node).__name__} {node!r}"


def _is_empty_string(node) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def experiments_of(notebook: Path) -> list[str]:
    """Return the names of the experiments that a notebook's code makes with `results.experiment("…", …)`."""
    nodes = (node for source in _code_cells(notebook) for node in ast.walk(_parsed(source)))
    return [name for node in nodes if (name := _experiment(node))]


def packages_of(notebook: Path) -> set[str]:
    """Return the top-level packages that a notebook's code imports, such as {"numpy", "torch"}."""
    found = set()
    for source in _code_cells(notebook):
        for node in ast.walk(_parsed(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found


def _code_cells(notebook: Path) -> Iterator[str]:
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "code" and "setup" not in cell.get("metadata", {}).get("tags", []):
            yield "".join(cell["source"])


def _parsed(source: str) -> ast.Module:
    """Return the tree of a cell; its IPython commands (%… and !…) count as text."""
    lines = source.splitlines()
    commands = [line.strip() for line in lines if line.lstrip().startswith(("%", "!"))]
    kept = [line for line in lines if not line.lstrip().startswith(("%", "!"))]
    tree = ast.parse("\n".join(kept))
    tree.body += [ast.Assign([ast.Name("command")], ast.Constant(command)) for command in commands]
    return tree


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Drop every statement that is only a string: it does nothing."""
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, [statement for statement in statements if not _is_text(statement)])
    return tree


def _is_text(statement: ast.AST) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _imports(tree: ast.Module, package: str, common: Path) -> list[str]:
    """Return the modules of `common` that the code imports, wherever in it, with the packages they lie in."""
    named: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            named += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    found: list[str] = []
    for name in named:
        steps = name.split(".")
        if steps[0] == "common":
            found += [".".join(steps[:end]) for end in range(1, len(steps) + 1)]
    return [name for name in dict.fromkeys(found) if _file_of(name, common) is not None]


def _file_of(module: str, common: Path) -> Path | None:
    place = common.joinpath(*module.split(".")[1:])
    candidates = (place / "__init__.py", place.with_suffix(".py")) if module != "common" else (place / "__init__.py",)
    return next((path for path in candidates if path.is_file()), None)


def _shows_only(module: str) -> bool:
    return module == "common" or any(module == name or module.startswith(f"{name}.") for name in SHOW_ONLY[1:])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
