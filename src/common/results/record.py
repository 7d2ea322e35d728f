"""What a record of a full-size run must hold, and where it lies."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from pathlib import Path

from common import disk

RECORDS = Path(__file__).resolve().parent / "records"
FORMAT = 1
NAME = re.compile(r"\d\d_[a-z0-9_]+/\d+_[a-z0-9_]+/[a-z0-9_]+")

_KINDS = {
    "text": str,
    "text or null": (str, type(None)),
    "object": dict,
    "list": list,
    "whole number": int,
    "true or false": bool,
}
_FIELDS = {
    "format": "whole number",
    "experiment": "text",
    "variant": "text or null",
    "size": "text",
    "notebook": "text",
    "sizes": "object",
    "seeds": "list",
    "metrics": "object",
    "times": "object",
    "hardware": "object",
    "versions": "object",
    "date": "text",
    "commit": "text or null",
    "changed_files": "true or false",
    "code": "object",
}
_HARDWARE = {"kind": "text", "gpu": "text or null", "processor": "text", "cores": "whole number"}


def check_name(name: str) -> str:
    """Return an experiment's name, or raise ValueError: it says what a name looks like."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            f'name: expected the notebook and a name, such as "02_rnn/4_pytorch/timing", in small letters, got {name!r}'
        )
    return name


def check_record(record: dict) -> dict:
    """Return the record if it is complete and sound; raise ValueError that lists everything that is wrong with it."""
    if not isinstance(record, dict):
        raise ValueError(f"record: expected an object, got {type(record).__name__}")
    wrong = _wrong_fields("", record, _FIELDS)
    wrong = wrong or _wrong_fields("hardware.", record["hardware"], _HARDWARE)
    wrong = wrong or [*_wrong_values(record), *_wrong_numbers(record)]
    if wrong:
        raise ValueError(f"record {record.get('experiment', '?')}: " + "; ".join(wrong))
    return record


def path_of(name: str, variant: str | None = None, folder: Path | None = None) -> Path:
    """Return where the record of an experiment lies; `variant` tells runs of one notebook apart, such as "jax"."""
    return (folder or folder_in_use()) / f"{check_name(name)}{f'.{variant}' if variant else ''}.json"


def folder_in_use() -> Path:
    """Return the folder of the records: the book's own, or the one that `tools/record.py` was told to use."""
    return Path(os.environ.get("BOOK_RECORD_DIR") or RECORDS)


def write(record: dict, folder: Path | None = None) -> Path:
    """Store a sound record, whole or not at all, and return its path."""
    path = path_of(check_record(record)["experiment"], record["variant"], folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            disk.flush(file)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def read(path: Path) -> dict:
    """Return the record stored at `path`.

    Raises ValueError, naming the file, if it is not JSON, not sound, or not the record its name says.
    """
    try:
        record = check_record(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if path_of(record["experiment"], record["variant"], Path()).parts[-3:] != path.parts[-3:]:
        raise ValueError(f"{path}: holds the record of {record['experiment']}, variant {record['variant']}")
    return record


def _wrong_fields(prefix: str, values: dict, fields: dict[str, str]) -> list[str]:
    wrong = [f"{prefix}{name} is missing" for name in fields if name not in values]
    wrong += [f"{prefix}{name} is not a field of a record" for name in values if name not in fields]
    for name, kind in fields.items():
        value = values.get(name)
        # True is a whole number to Python, not to a reader.
        fits = isinstance(value, _KINDS[kind]) and (kind == "true or false" or not isinstance(value, bool))
        if name in values and not fits:
            wrong.append(f"{prefix}{name}: expected {kind}, got {value!r}")
    return wrong


def _wrong_values(record: dict) -> list[str]:
    wrong = []
    if record["format"] != FORMAT:
        wrong.append(f"format: expected {FORMAT}, got {record['format']}")
    if not NAME.fullmatch(record["experiment"]):
        wrong.append(f"experiment: expected a name such as 02_rnn/4_pytorch/timing, got {record['experiment']!r}")
    if record["size"] not in ("full", "small"):
        wrong.append(f"size: expected full or small, got {record['size']!r}")
    if record["hardware"]["kind"] not in ("gpu", "cpu"):
        wrong.append(f"hardware.kind: expected gpu or cpu, got {record['hardware']['kind']!r}")
    if (record["hardware"]["kind"] == "gpu") != bool(record["hardware"]["gpu"]):
        wrong.append("hardware.gpu: expected the GPU's name if hardware.kind is gpu, null if it is cpu")
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["date"]):
        wrong.append(f"date: expected a time such as 2030-01-31T12:00:00Z, got {record['date']!r}")
    if "notebook" not in record["code"]:
        wrong.append("code: expected the fingerprint of the notebook")
    return wrong


def _wrong_numbers(record: dict) -> list[str]:
    wrong = [] if record["metrics"] or record["times"] else ["metrics and times are both empty"]
    seeds = record["seeds"]
    if not all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds):
        wrong.append(f"seeds: expected whole numbers, got {seeds!r}")
    for kind in ("metrics", "times"):
        for name, value in record[kind].items():
            numbers = value if isinstance(value, list) else [value]
            if not numbers or not all(_is_finite(number) for number in numbers):
                wrong.append(f"{kind}.{name}: expected a finite number or a list of them, got {value!r}")
            elif kind == "metrics" and isinstance(value, list) and len(value) != len(seeds):
                wrong.append(f"{kind}.{name}: expected {len(seeds)} numbers, one a seed, got {len(value)}")
            elif kind == "times" and min(numbers) < 0:
                wrong.append(f"{kind}.{name}: expected seconds, got {value!r}")
    return wrong


def _is_finite(number) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)
