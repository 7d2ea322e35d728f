"""Text as whole numbers: numbers spelled out, vocabularies, and batches between which a state lives on.

The book's default text is generated: the numbers in English, one a line. Thirty different words (and the end
of a line) make all of them, so the whole vocabulary fits on the screen, and every rule a model finds can be
checked by hand: after "thirty" comes a digit or the end of the line, never "eleven"; and in counting order
the next line depends on all of this one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from common import checks
from common.data._arguments import float_dtype, generator, integers, whole

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
ONES = (*DIGITS, *TEENS)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
LARGEST = 999_999


def spell(number: int) -> str:
    """Spell a whole number from 0 to 999,999 in English words.

    spell(1234) is "one thousand two hundred thirty four": without "and" (the American way), and with a space where
    print has a hyphen, so that "four" is one and the same word wherever it stands.

    Raises TypeError or ValueError for anything else.
    """
    number = whole("number", number, most=LARGEST)
    if number == 0:
        return ONES[0]
    thousands, rest = divmod(number, 1000)
    head = [*_below_thousand(thousands), "thousand"] if thousands else []
    return " ".join(head + _below_thousand(rest))


def _below_thousand(number: int) -> list[str]:
    """The words of 0 … 999; none for 0."""
    hundreds, rest = divmod(number, 100)
    words = [ONES[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        tens, rest = divmod(rest, 10)
        words.append(TENS[tens - 2])
    return [*words, ONES[rest]] if rest else words


def numbers(start: int = 0, stop: int = 10_000, rng=None) -> str:
    """Write the numbers from `start` to `stop` − 1, one a line, each line ended by "\\n".

    rng  None: in counting order; a seed or a numpy.random.Generator: in random order

    In counting order nearly everything is predictable, but only for a memory: which digit follows "thirty" is
    decided by the line before. In random order only the grammar inside a line is left to learn. The
    difference between the two losses is what remembering the last line is worth.

    Raises TypeError or ValueError that names the argument; ValueError when there is no number to write.
    """
    start = whole("start", start, most=LARGEST)
    stop = whole("stop", stop, most=LARGEST + 1)
    if stop <= start:
        raise ValueError(f"stop: expected more than start = {start}, got {stop}; there is no number to write")
    lines = [spell(number) + "\n" for number in range(start, stop)]
    if rng is not None:
        lines = [lines[i] for i in generator(rng).permutation(len(lines))]
    return "".join(lines)


_PROSE = Path(__file__).with_name("book_prose.txt")
_PROSE_SHA256 = "1f7d8e9cb04ab17a8031e9504823d63a4c6430de04ca4229729da4605a7313f5"


def book_prose() -> str:
    """Return the frozen prose of this book: some 92,000 characters of plain English, 83 different ones.

    The running text of the first two chapters as it stood when the file was made (tools/freeze_prose.py). The file
    never changes, although the book does, so what a model learns from it stays comparable. It is part of the package
    and needs no network. CC BY 4.0, like all text of the book.

    Raises ValueError when the file is not the frozen one.
    """
    data = _PROSE.read_bytes()
    if hashlib.sha256(data).hexdigest() != _PROSE_SHA256:
        raise ValueError(
            f"{_PROSE}: expected the frozen text, got a changed file of {len(data)} bytes; "
            "restore it with `git checkout -- src/common/data/book_prose.txt`"
        )
    return data.decode("ascii")


def tiny_shakespeare() -> str:
    """Download (once) and return Tiny Shakespeare: 1,115,394 characters of his plays, 65 different ones.

    No page of the book needs it to run: it is the larger text for those who want one. Raises
    `common.data.download.DownloadError`, which says what to do, when there is no network.
    """
    from common.data.download import fetch

    return fetch("tiny_shakespeare").read_bytes().decode("ascii")


@dataclass(frozen=True)
class Vocabulary:
    """A numbered list of symbols, which are the characters or the words of a text.

    symbols  the symbols in the order of their numbers: symbol k is encoded as k
    kind     "characters" or "words"; words are what stands between spaces, and each end of a line is a word
             "\\n"

    Make one from a text with `Vocabulary.characters(text)` or `Vocabulary.words(text)`; the symbols are then
    sorted, so the same text gives the same numbers everywhere. `len(vocabulary)` is V, the number of classes
    of a model's output; a model that knows nothing has a cross-entropy of log V.

    Raises TypeError or ValueError for symbols that are empty, not text, repeated, or not of the kind.
    """

    symbols: tuple[str, ...]
    kind: str = "characters"
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        checks.one_of("kind", self.kind, ["characters", "words"])
        if isinstance(self.symbols, str) or not isinstance(self.symbols, Iterable):
            raise TypeError(
                f"symbols: expected a list, got {self.symbols!r}; for those of a text: Vocabulary.characters"
            )
        symbols = tuple(self.symbols)
        if not symbols:
            raise ValueError("symbols: must not be empty")
        for symbol in symbols:
            if not isinstance(symbol, str):
                raise TypeError(f"symbols: expected text, got {symbol!r}")
            if len(symbol) != 1 if self.kind == "characters" else _words(symbol) != [symbol]:
                raise ValueError(f"symbols: {symbol!r} is not one of the kind {self.kind!r}")
        if len(set(symbols)) < len(symbols):
            repeated = next(symbol for symbol in symbols if symbols.count(symbol) > 1)
            raise ValueError(f"symbols: {repeated!r} stands there more than once")
        object.__setattr__(self, "symbols", symbols)
        object.__setattr__(self, "_numbers", {symbol: number for number, symbol in enumerate(symbols)})

    @classmethod
    def characters(cls, text: str) -> Vocabulary:
        """Collect the different characters of a text, sorted."""
        return cls(tuple(sorted(set(_text(text)))), "characters")

    @classmethod
    def words(cls, text: str) -> Vocabulary:
        """Collect the different words of a text, sorted; "\\n" is one of them if the text has more than a line."""
        return cls(tuple(sorted(set(_words(_text(text))))), "words")

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._numbers

    def encode(self, text: str) -> np.ndarray:
        """Return the numbers of the symbols of a text, shape (S,), int64.

        Raises ValueError that names the first symbol which the vocabulary does not have, and where it stands.
        """
        pieces = _text(text) if self.kind == "characters" else _words(_text(text))
        try:
            return np.array([self._numbers[piece] for piece in pieces], np.int64)
        except KeyError:
            position, unknown = next((i, piece) for i, piece in enumerate(pieces) if piece not in self._numbers)
        one = self.kind.removesuffix("s")
        raise ValueError(
            f"text: {one} {unknown!r} (number {position}, counted from 0) is not among the {len(self)} {self.kind} "
            "of this vocabulary; make the vocabulary from all the text, or leave the symbol out"
        )

    def decode(self, ids) -> str:
        """Return the text of a sequence of numbers, the inverse of `encode`.

        Characters come back exactly. Words come back with one space between them and none at the ends of
        lines.

        Raises TypeError or ValueError for numbers that are not whole or not of this vocabulary.
        """
        ids = integers("ids", ids, len(self))
        if ids.ndim != 1:
            raise ValueError(
                f"ids: expected 1 axis (S,), got {ids.ndim} in shape {ids.shape}; decode one lane at a time"
            )
        pieces = [self.symbols[i] for i in ids.tolist()]
        if self.kind == "characters":
            return "".join(pieces)
        return " ".join(pieces).replace(" \n", "\n").replace("\n ", "\n")


def _text(text) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text: expected a string, got {type(text).__name__}")
    return text


def _words(text: str) -> list[str]:
    return re.findall(r"\n|\S+", text)


def one_hot(ids, size: int, *, dtype=np.float64) -> np.ndarray:
    """Return an array of shape ids.shape + (size,) that is 1 at each number and 0 elsewhere.

    A product with it picks a row of a matrix: one_hot(ids, V) @ W is W[ids], which is why an embedding needs
    no product.

    Raises TypeError or ValueError for numbers that are not whole or not from 0 to size − 1.
    """
    size = checks.positive_int("size", size)
    ids, dtype = integers("ids", ids, size), float_dtype(dtype)
    hot = np.zeros((*ids.shape, size), dtype)
    np.put_along_axis(hot, ids[..., None], 1, axis=-1)
    return hot


class StreamBatches:
    """Batches for language modelling in which every lane goes on where the batch before stopped.

    ids      the text as whole numbers, shape (S,)
    batch    lanes B, read side by side
    length   steps T of one batch
    symbols  None: inputs are whole numbers (for an embedding); V: they are one-hot, (T, B, V)
    dtype    of the one-hot inputs

    The text is cut into B stretches of equal length, one a lane. Batch k holds steps k·T … k·T + T − 1 of
    every lane, so that the final state of batch k is the right initial state of batch k + 1. The targets are
    the inputs one symbol later. With the text a b c d e f g h i j k l m, two lanes and three steps:

        lane 0   a b c | d e f      targets   b c d | e f g
        lane 1   g h i | j k l                h i j | k l m

    `next()` returns x and y, both of shape (T, B) (x one-hot if asked for), y int64, and begins again after
    the last batch. `starts_pass` is True when the batch to come is the first of a pass: then start from a
    zero state, because the lane does not go on. `len(batches)` is the number of batches a pass, `batches[k]`
    is batch k, and a `for` loop runs over one pass. What is left over at the end of the text is not used:
    `unused` says how many symbols. `state()` and `load_state()` let training go on where it stopped.

    Raises TypeError or ValueError that names the argument; ValueError when the text is too short for one
    batch.
    """

    def __init__(self, ids, batch: int, length: int, *, symbols: int | None = None, dtype=np.float64):
        self.symbols = None if symbols is None else checks.positive_int("symbols", symbols)
        self.dtype = float_dtype(dtype)
        ids = integers("ids", ids, self.symbols)
        if ids.ndim != 1:
            raise ValueError(f"ids: expected 1 axis (S,), got {ids.ndim} in shape {ids.shape}")
        self.batch, self.length = checks.positive_int("batch", batch), checks.positive_int("length", length)
        # One symbol more than the inputs need: the last target.
        self._batches = (len(ids) - 1) // self.batch // self.length
        if self._batches < 1:
            raise ValueError(
                f"ids: {self.batch} lanes of {self.length} steps need at least {self.batch * self.length + 1} "
                f"symbols, got {len(ids)}; take fewer lanes or fewer steps"
            )
        lane = self._batches * self.length
        starts = np.arange(self.batch) * lane
        self._lanes = ids.astype(np.int64)[np.arange(lane + 1)[:, None] + starts]  # (lane + 1, B)
        self.unused = len(ids) - 1 - lane * self.batch
        self._position = 0

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        number = whole("number", number)
        if number >= self._batches:
            raise IndexError(f"number: expected a batch from 0 to {self._batches - 1}, got {number}")
        start, stop = number * self.length, (number + 1) * self.length
        x, y = self._lanes[start:stop], self._lanes[start + 1 : stop + 1]
        x = x.copy() if self.symbols is None else one_hot(x, self.symbols, dtype=self.dtype)
        return x, y.copy()

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (self[number] for number in range(self._batches))

    @property
    def starts_pass(self) -> bool:
        """Whether the batch that `next()` returns is the first of a pass."""
        return self._position == 0

    def next(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the batch to come and move on by one."""
        x, y = self[self._position]
        self._position = (self._position + 1) % self._batches
        return x, y

    def state(self) -> dict[str, int]:
        """Return where the stream stands, as plain numbers that JSON can hold."""
        return {"position": self._position, "batches": self._batches}

    def load_state(self, state: dict[str, int]) -> None:
        """Go to where a stream of the same text, batch and length stood.

        Raises ValueError when the state is of a stream with another number of batches, or is no state at all.
        """
        if not isinstance(state, dict) or set(state) != {"position", "batches"}:
            raise ValueError(f"state: expected what state() returned, with position and batches, got {state!r}")
        if state["batches"] != self._batches:
            raise ValueError(
                f"state: it is of a stream of {state['batches']} batches a pass, this one has "
                f"{self._batches}; use the same text, batch and length"
            )
        self._position = whole("state position", state["position"], most=self._batches - 1)
