"""The digits: shapes, scale, and a split that is fixed, stratified and disjoint."""

import hashlib

import numpy as np
import pytest

from common.data import digits


def images_of(x):
    """Each image as 64 numbers, one image a row."""
    return x.transpose(1, 0, 2).reshape(x.shape[1], 64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("load", "steps", "features"), [(digits.rows, 8, 8), (digits.pixels, 64, 1)])
def test_shapes_dtypes_and_range(load, steps, features, dtype):
    x_train, y_train, x_test, y_test = load(dtype=dtype)
    assert x_train.shape == (steps, len(y_train), features)
    assert x_test.shape == (steps, len(y_test), features)
    assert x_train.dtype == x_test.dtype == dtype
    assert y_train.dtype == y_test.dtype == np.int64
    assert len(y_train) + len(y_test) == 1797
    for x in (x_train, x_test):
        assert x.min() == 0
        assert x.max() == 1
        np.testing.assert_array_equal(x * 16, np.round(x * 16))
        assert x.flags.c_contiguous


def test_the_images_are_scikit_learns_each_once():
    from sklearn.datasets import load_digits

    split = digits.rows()
    ours = np.column_stack(
        [
            np.concatenate([split.y_train, split.y_test]),
            np.concatenate([images_of(split.x_train), images_of(split.x_test)]) * 16,
        ]
    )
    data, labels = load_digits(return_X_y=True)
    theirs = np.column_stack([labels, data])
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_rows_and_pixels_are_the_same_images_in_the_same_order():
    rows, pixels = digits.rows(seed=3), digits.pixels(seed=3)
    np.testing.assert_array_equal(rows.y_train, pixels.y_train)
    np.testing.assert_array_equal(images_of(rows.x_train), images_of(pixels.x_train))
    np.testing.assert_array_equal(images_of(rows.x_test), images_of(pixels.x_test))
    assert rows.x_train[2, 5, 3] == pixels.x_train[2 * 8 + 3, 5, 0]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_every_class_gives_the_same_part(fraction):
    split = digits.rows(test_fraction=fraction)
    train = np.bincount(split.y_train, minlength=digits.CLASSES)
    test = np.bincount(split.y_test, minlength=digits.CLASSES)
    assert (np.abs(test - fraction * (train + test)) <= 0.5).all()


def test_the_order_is_mixed():
    """A hundred examples in a row hold every class, in both parts."""
    split = digits.rows()
    assert set(split.y_train[:100]) == set(split.y_test[:100]) == set(range(digits.CLASSES))


def test_a_seed_fixes_the_split():
    one, same, other = digits.rows(), digits.rows(), digits.rows(seed=1)
    np.testing.assert_array_equal(one.x_train, same.x_train)
    np.testing.assert_array_equal(one.y_test, same.y_test)
    assert not np.array_equal(one.y_test, other.y_test)
    # Stored outputs of notebooks depend on it: who changes the split must refresh them.
    assert hashlib.sha256(one.y_test.astype("<i8").tobytes()).hexdigest()[:16] == "62132ea3edb184c9"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"test_fraction": 0}, ValueError, "test_fraction: expected a number between 0 and 1 .*, got 0"),
        ({"test_fraction": 1.0}, ValueError, "test_fraction: .* got 1.0"),
        ({"test_fraction": float("nan")}, ValueError, "test_fraction: .* got nan"),
        ({"test_fraction": "0.2"}, TypeError, "test_fraction: .* got '0.2'"),
        ({"test_fraction": 0.001}, ValueError, "test_fraction: 0.001 of the .* leaves one part empty"),
        ({"test_fraction": 0.999}, ValueError, "test_fraction: 0.999 of the .* leaves one part empty"),
        ({"seed": -1}, ValueError, "seed: .* got -1"),
        ({"seed": None}, TypeError, "seed: .* got None"),
        ({"dtype": np.uint8}, TypeError, "dtype: expected float32 or float64"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    for load in (digits.rows, digits.pixels):
        with pytest.raises(error, match=message):
            load(**arguments)
