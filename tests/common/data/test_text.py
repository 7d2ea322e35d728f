"""Text: the speller, vocabularies, one-hot vectors, and batches between which a state lives on."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.data import download, text
from common.data.text import StreamBatches, Vocabulary, numbers, one_hot, spell

FEW = settings(max_examples=80, deadline=None)


# ---- the speller


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (7, "seven"),
        (10, "ten"),
        (12, "twelve"),
        (13, "thirteen"),
        (19, "nineteen"),
        (20, "twenty"),
        (21, "twenty one"),
        (40, "forty"),
        (90, "ninety"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (101, "one hundred one"),
        (110, "one hundred ten"),
        (115, "one hundred fifteen"),
        (842, "eight hundred forty two"),
        (1000, "one thousand"),
        (1001, "one thousand one"),
        (1234, "one thousand two hundred thirty four"),
        (5060, "five thousand sixty"),
        (9999, "nine thousand nine hundred ninety nine"),
        (10_000, "ten thousand"),
        (12_300, "twelve thousand three hundred"),
        (100_000, "one hundred thousand"),
        (999_999, "nine hundred ninety nine thousand nine hundred ninety nine"),
        (np.int64(5), "five"),
    ],
)
def test_spell(number, words):
    assert spell(number) == words


def read(words: str) -> int:
    """The number that words stand for, found another way than the speller's: by multiplying and adding up."""
    ones = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    value = {word: i + 1 for i, word in enumerate((ones + " eighteen nineteen").split())}
    value |= {word: 10 * (i + 2) for i, word in enumerate(text.TENS)} | {"zero": 0}
    total = group = 0
    for word in words.split():
        if word == "thousand":
            total, group = 1000 * group, 0
        elif word == "hundred":
            group *= 100
        else:
            group += value[word]
    return total + group


def test_every_number_to_9999_reads_back_and_is_spelled_once():
    spelled = [spell(number) for number in range(10_000)]
    assert [read(words) for words in spelled] == list(range(10_000))
    assert len(set(spelled)) == 10_000


@FEW
@given(st.integers(0, 999_999))
def test_larger_numbers_read_back(number):
    assert read(spell(number)) == number
    assert "  " not in spell(number)


def test_numbers_in_order_and_shuffled():
    assert numbers(8, 12) == "eight\nnine\nten\neleven\n"
    default = numbers()
    assert default.count("\n") == 10_000
    assert len(Vocabulary.words(default)) == 31
    assert hashlib.sha256(default.encode()).hexdigest()[:16] == "d66518dcc449d65a"
    mixed = numbers(0, 50, rng=0)
    assert mixed != numbers(0, 50)
    assert sorted(mixed.splitlines()) == sorted(numbers(0, 50).splitlines())
    assert mixed == numbers(0, 50, rng=0) == numbers(0, 50, rng=np.random.default_rng(0))
    assert mixed != numbers(0, 50, rng=1)
    assert mixed.endswith("\n")


# ---- vocabularies


@FEW
@given(st.text(min_size=1))
def test_characters_come_back_exactly(some):
    vocabulary = Vocabulary.characters(some)
    ids = vocabulary.encode(some)
    assert ids.shape == (len(some),)
    assert ids.dtype == np.int64
    assert set(ids) == set(range(len(vocabulary)))
    assert vocabulary.decode(ids) == some
    assert list(vocabulary.symbols) == sorted(set(some))


@FEW
@given(st.lists(st.lists(st.sampled_from(["one", "two", "ten", "hundred", "x.y"]), max_size=4), min_size=1, max_size=6))
def test_words_come_back_with_single_spaces(lines):
    some = "\n".join(" ".join(line) for line in lines)
    assume(some)
    vocabulary = Vocabulary.words(some)
    assert vocabulary.decode(vocabulary.encode(some)) == some
    untidy = some.replace(" ", "  \t") + " "
    assert vocabulary.decode(vocabulary.encode(untidy)) == some


def test_the_vocabulary_of_the_numbers_fits_on_a_screen():
    vocabulary = Vocabulary.words(numbers())
    assert set(vocabulary.symbols) == {"\n", "hundred", "thousand", *text.ONES, *text.TENS}
    assert "hundred" in vocabulary
    assert "million" not in vocabulary
    assert vocabulary.decode(vocabulary.encode("two hundred\nsix")) == "two hundred\nsix"


def test_unknown_symbols_are_named_with_their_place():
    characters = Vocabulary.characters("abc")
    with pytest.raises(ValueError, match=r"character 'z' \(number 3, counted from 0\) is not among the 3 characters"):
        characters.encode("abczaz")
    words = Vocabulary.words("one two")
    with pytest.raises(ValueError, match=r"word 'three' \(number 1, counted from 0\) is not among the 2 words"):
        words.encode("two three")


def test_vocabularies_of_the_same_symbols_are_equal():
    assert Vocabulary.characters("cab") == Vocabulary(("a", "b", "c")) == Vocabulary(["a", "b", "c"])
    assert Vocabulary.characters("ab") != Vocabulary(("b", "a"))
    assert Vocabulary(("a",)) != Vocabulary(("a",), "words")
    assert Vocabulary(("b", "a")).encode("ab").tolist() == [1, 0]
    assert Vocabulary(("a",)).encode("").shape == (0,)
    assert Vocabulary(("a",)).decode([]) == ""


# ---- one-hot


@FEW
@given(
    st.integers(1, 9),
    st.lists(st.integers(1, 4), max_size=3),
    st.integers(0, 2**32),
    st.sampled_from([np.float32, np.float64]),
)
def test_one_hot_picks_rows(size, shape, seed, dtype):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, size, shape)
    hot = one_hot(ids, size, dtype=dtype)
    assert hot.shape == (*shape, size)
    assert hot.dtype == dtype
    weights = rng.standard_normal((size, 3)).astype(dtype)
    np.testing.assert_array_equal(hot @ weights, weights[ids])


# ---- batches


@FEW
@given(
    size=st.integers(2, 200),
    batch=st.integers(1, 7),
    length=st.integers(1, 9),
    hot=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_lanes_go_on_from_batch_to_batch(size, batch, length, hot, dtype):
    assume(size > batch * length)
    ids = np.arange(size)
    stream = StreamBatches(ids, batch, length, symbols=size if hot else None, dtype=dtype)
    parts = [stream.next() for _ in range(len(stream))]
    for x, y in parts:
        assert x.shape == ((length, batch, size) if hot else (length, batch))
        assert x.dtype == (dtype if hot else np.int64)
        assert y.shape == (length, batch)
        assert y.dtype == np.int64
    x = np.concatenate([x.argmax(axis=-1) if hot else x for x, _ in parts])
    y = np.concatenate([y for _, y in parts])
    np.testing.assert_array_equal(y, x + 1)  # the target is the next symbol
    np.testing.assert_array_equal(np.diff(x, axis=0), 1)  # in a lane, over the ends of batches too
    # Lane after lane, the inputs are the text from its beginning, each symbol once.
    np.testing.assert_array_equal(x.T.ravel(), np.arange(x.size))
    assert stream.unused == size - 1 - x.size
    assert stream.unused < batch * length + batch
    assert stream.starts_pass


def test_the_picture_in_the_docstring():
    vocabulary = Vocabulary.characters("abcdefghijklm")
    stream = StreamBatches(vocabulary.encode("abcdefghijklm"), 2, 3)
    assert len(stream) == 2
    lanes = [[vocabulary.decode(part[:, b]) for part in pair] for pair in stream for b in (0, 1)]
    assert lanes == [["abc", "bcd"], ["ghi", "hij"], ["def", "efg"], ["jkl", "klm"]]
    assert stream.unused == 0


def test_a_pass_begins_again_and_says_so():
    stream = StreamBatches(np.arange(13), 2, 3)
    assert stream.starts_pass
    first = stream.next()
    assert not stream.starts_pass
    stream.next()
    assert stream.starts_pass
    np.testing.assert_array_equal(stream.next()[0], first[0])
    np.testing.assert_array_equal(stream[0][0], first[0])
    # Looking at batches, or looping over them, moves nothing.
    assert len(list(stream)) == 2
    assert not stream.starts_pass


def test_a_stream_goes_on_where_another_stopped():
    stream = StreamBatches(np.arange(50), 2, 3)
    for _ in range(5):
        stream.next()
    kept = json.loads(json.dumps(stream.state()))
    expected = [stream.next()[0] for _ in range(9)]
    other = StreamBatches(np.arange(50), 2, 3)
    other.load_state(kept)
    for x in expected:
        np.testing.assert_array_equal(other.next()[0], x)


def test_batches_are_copies():
    stream = StreamBatches(np.arange(13), 2, 3)
    x, y = stream.next()
    x[:] = y[:] = -1
    assert stream[0][0].min() == 0
    assert stream[0][1].min() == 1


def test_a_state_carried_over_batches_is_the_state_of_the_whole_lane():
    """The point of the lanes, with the plainest memory there is: a running sum."""
    ids = np.random.default_rng(0).integers(0, 5, 301)
    stream = StreamBatches(ids, 3, 10)
    total = np.zeros(3)
    for x, _ in stream:
        total += x.sum(axis=0)
    lane = len(stream) * 10
    np.testing.assert_array_equal(total, [ids[b * lane : (b + 1) * lane].sum() for b in range(3)])


# ---- the downloaded text, from a file put into the cache by hand


def test_tiny_shakespeare_comes_from_the_cache(tmp_path, monkeypatch):
    content = b"First Citizen:\nBefore we proceed any further, hear me speak.\n"
    file = download.File(
        "tiny_shakespeare",
        "tiny.txt",
        "http://127.0.0.1:9/no",
        hashlib.sha256(content).hexdigest(),
        len(content),
        "public domain",
        "two lines",
    )
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    monkeypatch.setitem(download.REGISTRY, "tiny_shakespeare", file)
    (tmp_path / "tiny.txt").write_bytes(content)
    assert text.tiny_shakespeare() == content.decode()


# ---- bad input

IDS = np.arange(20)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: spell(-1), ValueError, "number: .* at most 999999, got -1"),
        (lambda: spell(1_000_000), ValueError, "number: .* got 1000000"),
        (lambda: spell(1.0), TypeError, "number: .* got 1.0"),
        (lambda: spell(True), TypeError, "number: .* got True"),
        (lambda: numbers(5, 5), ValueError, "stop: expected more than start = 5, got 5"),
        (lambda: numbers(0, 2_000_000), ValueError, "stop: .* got 2000000"),
        (lambda: numbers(0, 5, rng="x"), TypeError, "rng: .* got 'x'"),
        (lambda: Vocabulary(()), ValueError, "symbols: must not be empty"),
        (lambda: Vocabulary.characters(""), ValueError, "symbols: must not be empty"),
        (lambda: Vocabulary("abc"), TypeError, "symbols: expected a list, got 'abc'"),
        (lambda: Vocabulary(3), TypeError, "symbols: expected a list, got 3"),
        (lambda: Vocabulary(("a", 1)), TypeError, "symbols: expected text, got 1"),
        (lambda: Vocabulary(("a", "b", "a")), ValueError, "symbols: 'a' stands there more than once"),
        (lambda: Vocabulary(("ab",)), ValueError, "symbols: 'ab' is not one of the kind 'characters'"),
        (lambda: Vocabulary(("a b",), "words"), ValueError, "symbols: 'a b' is not one of the kind 'words'"),
        (lambda: Vocabulary(("",), "words"), ValueError, "symbols: '' is not one of the kind 'words'"),
        (
            lambda: Vocabulary(("a",), "letters"),
            ValueError,
            "kind: expected one of 'characters', 'words', got 'letters'",
        ),
        (lambda: Vocabulary(("a",)).encode(b"a"), TypeError, "text: expected a string, got bytes"),
        (lambda: Vocabulary.words(None), TypeError, "text: expected a string, got NoneType"),
        (
            lambda: Vocabulary(("a",)).decode([0, 1]),
            ValueError,
            r"ids: expected numbers from 0 to 0, got 1 at index \(1,\)",
        ),
        (lambda: Vocabulary(("a",)).decode([-1]), ValueError, "ids: .* got -1"),
        (lambda: Vocabulary(("a",)).decode([[0]]), ValueError, r"ids: expected 1 axis \(S,\), got 2"),
        (lambda: Vocabulary(("a",)).decode([0.0]), TypeError, "ids: expected whole numbers, got dtype float64"),
        (lambda: one_hot([3], 3), ValueError, r"ids: expected numbers from 0 to 2, got 3 at index \(0,\)"),
        (lambda: one_hot([True], 3), TypeError, "ids: expected whole numbers, got dtype bool"),
        (lambda: one_hot(np.zeros(2), 3), TypeError, "ids: expected whole numbers, got dtype float64"),
        (lambda: one_hot([0], 0), ValueError, "size: .* got 0"),
        (lambda: one_hot([0], 2, dtype=int), TypeError, "dtype: expected float32 or float64"),
        (lambda: StreamBatches(IDS, 4, 5), ValueError, "ids: 4 lanes of 5 steps need at least 21 symbols, got 20"),
        (lambda: StreamBatches([], 1, 1), ValueError, "ids: 1 lanes of 1 steps need at least 2 symbols, got 0"),
        (lambda: StreamBatches(IDS, 0, 5), ValueError, "batch: .* got 0"),
        (lambda: StreamBatches(IDS, 2, 0), ValueError, "length: .* got 0"),
        (lambda: StreamBatches(IDS[None], 2, 2), ValueError, r"ids: expected 1 axis \(S,\), got 2"),
        (lambda: StreamBatches(IDS * 1.0, 2, 2), TypeError, "ids: expected whole numbers"),
        (
            lambda: StreamBatches(IDS, 2, 2, symbols=10),
            ValueError,
            r"ids: expected numbers from 0 to 9, got 10 at index",
        ),
        (lambda: StreamBatches(IDS, 2, 2, dtype=int), TypeError, "dtype: expected float32"),
        (lambda: StreamBatches(IDS, 2, 3)[3], IndexError, "number: expected a batch from 0 to 2, got 3"),
        (lambda: StreamBatches(IDS, 2, 3)[-1], ValueError, "number: .* got -1"),
        (lambda: StreamBatches(IDS, 2, 3).load_state({"position": 0, "batches": 4}), ValueError, "state: .* 4 batches"),
        (
            lambda: StreamBatches(IDS, 2, 3).load_state({"position": 3, "batches": 3}),
            ValueError,
            "state position: .* got 3",
        ),
        (lambda: StreamBatches(IDS, 2, 3).load_state({"position": 0}), ValueError, "state: expected what state"),
        (lambda: StreamBatches(IDS, 2, 3).load_state(None), ValueError, "state: expected what state"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_prose_of_the_book_is_frozen():
    prose = text.book_prose()
    assert 60_000 <= len(prose) <= 100_000
    assert prose.isascii()
    assert prose.endswith("\n")
    assert len(text.Vocabulary.characters(prose)) == 83
    assert "A recurrent network" in prose


def test_a_changed_prose_is_refused(tmp_path, monkeypatch):
    """A model trained on another text would print other numbers, and nobody would know why."""
    changed = tmp_path / "book_prose.txt"
    changed.write_bytes(text.book_prose().encode().replace(b"recurrent", b"recursive", 1))
    monkeypatch.setattr(text, "_PROSE", changed)
    with pytest.raises(ValueError, match="expected the frozen text, got a changed file"):
        text.book_prose()
