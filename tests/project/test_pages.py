"""The prose pages of book/: references that exist and were checked, a timetable that adds up, pictures with a text."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from pybtex.database import parse_file

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
REFERENCES = BOOK / "references.bib"
NOTATION = BOOK / "notation.md"
STUDY = BOOK / "how_to_study.md"
OWN_PAGES = [BOOK / f"{name}.md" for name in ("how_to_study", "notation", "glossary", "errata", "bibliography")]
OWN_PAGES += sorted((BOOK / "parts").glob("*.md"))

REQUIRED = {
    "article": {"author", "title", "journal", "volume", "pages", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "techreport": {"author", "title", "institution", "number", "year"},
    "misc": {"author", "title", "year"},
    "manual": {"title", "organization", "url"},
}


@cache
def entries():
    return parse_file(str(REFERENCES)).entries


def fields(entry) -> set[str]:
    return {*entry.fields, *entry.persons}


def links(entry) -> set[str]:
    """Every address under which a work may be linked."""
    found = set()
    if "doi" in entry.fields:
        found.add(f"https://doi.org/{entry.fields['doi']}")
    if "eprint" in entry.fields:
        found.add(f"https://arxiv.org/abs/{entry.fields['eprint']}")
    if "url" in entry.fields:
        found.add(entry.fields["url"])
    return found


def same_link(address: str) -> str:
    """An address in the one spelling in which addresses are compared."""
    return unquote(address).rstrip("/").lower()


def pages() -> list[Path]:
    return sorted(p for p in BOOK.rglob("*.md") if not p.relative_to(BOOK).parts[0].startswith("_"))


def notebooks() -> list[Path]:
    return sorted(p for p in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


# ---- references ------------------------------------------------------------------------------------------------------


def test_no_key_is_given_twice():
    keys = [key.lower() for key in re.findall(r"^@\w+\{\s*([^,\s]+)", REFERENCES.read_text(), re.M)]
    assert sorted(set(keys)) == sorted(keys)
    assert len(keys) == len(entries()) > 0


def test_every_entry_has_the_fields_of_its_type():
    for key, entry in entries().items():
        assert entry.type in REQUIRED, f"{key}: no rule for @{entry.type}"
        missing = REQUIRED[entry.type] - fields(entry)
        assert not missing, f"{key}: without {sorted(missing)}"
        empty = [name for name, value in entry.fields.items() if not value.strip()]
        assert not empty, f"{key}: empty {empty}"


def test_years_pages_and_links_are_well_formed():
    shapes = {
        "year": r"(19|20)\d\d",
        "pages": r"\d+--\d+",
        "doi": r"10\.\d{4,9}/\S+",
        "eprint": r"\d{4}\.\d{4,5}",
        "url": r"https://\S+",
        "archiveprefix": "arXiv",
    }
    for key, entry in entries().items():
        for name, shape in shapes.items():
            if name in entry.fields:
                assert re.fullmatch(shape, entry.fields[name]), f"{key}: {name} = {entry.fields[name]}"
        first, *last = map(int, entry.fields.get("pages", "0").split("--"))
        assert not last or first < last[0], f"{key}: pages run backwards"


def test_a_key_names_the_first_author_and_the_year():
    for key, entry in entries().items():
        if entry.type != "manual":
            name = re.sub(r"[^a-z]", "", entry.persons["author"][0].last_names[-1].lower())
            assert re.fullmatch(rf"{name}{entry.fields['year']}[a-z]?", key), key


def test_every_entry_has_a_link_and_no_two_share_one():
    owner: dict[str, str] = {}
    for key, entry in entries().items():
        assert links(entry), f"{key}: no doi, eprint or url"
        for address in map(same_link, links(entry)):
            assert address not in owner, f"{key} and {owner.get(address)} share {address}"
            owner[address] = key


def cited(text: str) -> set[str]:
    found = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)
    return {key.strip() for group in found for key in group.split(",")}


def test_every_citation_has_an_entry():
    used = {page: cited(page.read_text()) for page in pages()}
    assert any(used.values())
    for page, keys in used.items():
        unknown = keys - set(entries())
        assert not unknown, f"{page.name}: {sorted(unknown)} not in {REFERENCES.name}"


def test_the_bibliography_says_what_every_work_is_for():
    text = (BOOK / "bibliography.md").read_text()
    introduced = text.split("## How the entries were checked")[0]
    linked = {same_link(address) for address in re.findall(r"\]\((https?://[^)\s]+)\)", introduced)}
    for key, entry in entries().items():
        assert key in cited(introduced) or linked & set(map(same_link, links(entry))), f"{key}: in no table"


def read_on(notebook: Path) -> list[str] | None:
    """The addresses under the heading "Read on"; None where there is no such heading."""
    cells = json.loads(notebook.read_text())["cells"]
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    parts = re.split(r"^#+ Read on\s*$", text, maxsplit=1, flags=re.M)
    if len(parts) == 1:
        return None
    section = re.split(r"^#+ ", parts[1], maxsplit=1, flags=re.M)[0]
    return re.findall(r"(?<=\]\()(https?://[^)\s]+)", section)


def test_every_link_under_read_on_is_in_the_references():
    known = {same_link(address) for entry in entries().values() for address in links(entry)}
    assert notebooks(), "no notebook found"
    for notebook in notebooks():
        addresses = read_on(notebook)
        assert addresses is not None, f"{notebook.name}: no heading 'Read on'"
        assert addresses, f"{notebook.name}: no link under 'Read on'"
        for address in addresses:
            assert same_link(address) in known, f"{notebook.name}: {address} is not in {REFERENCES.name}"


def test_every_work_that_a_notebook_links_is_in_the_references():
    """In the running text too: a link to a paper is a citation."""
    known = {same_link(address) for entry in entries().values() for address in links(entry)}
    for notebook in notebooks():
        source = "".join("".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"])
        for address in re.findall(r"https?://(?:doi\.org|arxiv\.org|proceedings\.mlr\.press)/[^)\s\"'>]+", source):
            assert same_link(address) in known, f"{notebook.name}: {address} is not in {REFERENCES.name}"


# ---- notation --------------------------------------------------------------------------------------------------------


def test_the_notation_page_shows_every_equation_once():
    tags = re.findall(r"\\tag\{([^}]+)\}", NOTATION.read_text())
    assert tags == sorted(set(tags), key=tags.index), "a tag stands twice"
    counts = {"RNN": 9, "OUT": 4, "LOSS": 4, "GRAD": 4, "CLIP": 1, "LSTM": 19}
    counts |= {"GRU": 11, "GRU-after": 6, "GRU-before": 6}
    wanted = {f"{name}.{n}" for name, count in counts.items() for n in range(1, count + 1)}
    assert set(tags) == wanted | {"INIT.1"}


def test_every_equation_of_the_notation_page_has_code():
    code = "\n".join(path.read_text() for path in (ROOT / "src/common").rglob("*.py"))
    for tag in re.findall(r"\\tag\{([^}]+)\}", NOTATION.read_text()):
        assert re.search(rf"#.*\b{re.escape(tag)}\b", code), f"{tag}: no comment in src/common names it"


# ---- how to study ----------------------------------------------------------------------------------------------------


def test_the_commands_named_exist():
    named = set(re.findall(r"`make (\w+)`", "".join(page.read_text() for page in OWN_PAGES)))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert named
    assert named <= targets, named - targets


def test_nothing_is_promised():
    """What is not written is said not to be written: no dates, no "soon"."""
    text = STUDY.read_text().lower()
    assert "not written" in text
    for word in ("soon", "upcoming", "stay tuned", "will be added", "in preparation"):
        assert not re.search(rf"\b{word}\b", text), word


# ---- pictures --------------------------------------------------------------------------------------------------------


def pictures() -> list[tuple[Path, Path, str]]:
    found = []
    for page in OWN_PAGES:
        for name, options in re.findall(r"^```\{image\} (\S+)\n((?::.*\n)*)```", page.read_text(), re.M):
            alt = re.search(r"^:alt: (.*)$", options, re.M)
            found.append((page, page.parent / name, alt[1] if alt else ""))
    return found


def test_every_picture_has_a_text_that_replaces_it():
    assert len(pictures()) >= 3
    for page, picture, alt in pictures():
        assert len(alt.split()) >= 20, f"{page.name}: {picture.name} needs a text alternative that says what it shows"


@pytest.mark.parametrize("picture", sorted({p.name for _, p, _ in pictures()}))
def test_a_picture_stands_on_white_and_loads_nothing(picture):
    path = BOOK / "images" / picture
    root = ElementTree.parse(path).getroot()
    width, height = root.get("viewBox").split()[2:]
    ground = next(child for child in root if child.tag.endswith("rect"))
    assert (ground.get("width"), ground.get("height")) == (width, height)
    assert ground.get("fill") == "#ffffff"
    assert "href" not in path.read_text()
    sizes = [float(size) for size in re.findall(r'font-size="(\d+)"', path.read_text())]
    assert min(sizes) * 350 / float(width) >= 11, "letters must stay readable where the picture is 350 px wide"
