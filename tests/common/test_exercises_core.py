"""What an exercise's check says to each kind of wrong answer."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from common.exercises import core
from common.exercises.core import Answer, Check, Mistake, case, prove


def step(x, h, w):
    """The solution of the made-up exercise: x (B, D), h (B, H), w (D, H) -> (B, H)."""
    return np.tanh(x @ w + h)


def cases(rng):
    sizes = [(2, 3, 4), (1, 1, 1), (5, 2, 3)]
    return [
        case(rng.normal(size=(b, d)), rng.normal(size=(b, h)), rng.normal(size=(d, h)), B=b, D=d, H=h)
        for b, d, h in sizes
    ]


MISTAKES = [
    Mistake("no state", lambda x, h, w: np.tanh(x @ w), "The previous state h is missing."),
    Mistake("no tanh", lambda x, h, w: x @ w + h, "The activation is missing."),
    Mistake("summed", lambda x, h, w: step(x, h, w).sum(axis=0), "Keep the batch."),
]


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Made-up checks do not stay among the book's."""
    monkeypatch.setattr(core, "REGISTRY", {})


@pytest.fixture
def check_step():
    return Check("check_step", solution=step, cases=cases, mistakes=MISTAKES, returns="h")


def kind_and_message(check, answer):
    verdict = check.verdict(answer)
    assert not verdict.passed
    return verdict.kind, verdict.message


def test_the_solution_passes(check_step):
    assert check_step.verdict(step) == core.Verdict(True, "passed", "passed, 3 cases.")


def test_calling_prints_one_verdict_and_returns_none(check_step, capsys):
    assert check_step(step) is None
    assert capsys.readouterr().out == "check_step: passed, 3 cases.\n"


def returns_none(x, h, w):
    pass


def returns_dots(x, h, w):
    return ...


def raises(x, h, w):
    raise NotImplementedError("your turn")


def computes_with_dots(x, h, w):
    a = ...
    return np.tanh(a @ w)


def tuple_of_dots(x, h, w):
    return ..., ...


@pytest.mark.parametrize("stub", [returns_none, returns_dots, raises, computes_with_dots, tuple_of_dots, None, ...])
def test_a_stub_is_not_an_error(check_step, stub):
    kind, message = kind_and_message(check_step, stub)
    assert kind == "todo"
    assert message.startswith("not written yet.")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_known_mistakes_are_explained(check_step, mistake):
    assert kind_and_message(check_step, mistake.answer) == (f"mistake {mistake.name}", f"not yet. {mistake.message}")


def test_a_mistake_must_fit_all_cases(check_step):
    """Right but for one case, in which it equals a known mistake: that is another mistake."""
    kind, _ = kind_and_message(check_step, lambda x, h, w: step(x, h, w) if len(x) == 2 else np.tanh(x @ w))
    assert kind == "values"


def breaks(x, h, w):
    a = x @ w
    return a @ w.T @ w.T


def test_an_error_names_the_line_and_the_case_without_a_traceback(check_step):
    kind, message = kind_and_message(check_step, breaks)
    line = breaks.__code__.co_firstlineno + 2
    assert kind == "error"
    assert message.startswith(f"not yet. Line {line} of your cell, `return a @ w.T @ w.T`, raises ValueError: matmul")
    assert message.endswith("(case: B = 2, D = 3, H = 4).")
    assert "\n" not in message
    assert len(message) < 500


def test_an_error_outside_the_learners_code_is_told_too(check_step):
    kind, message = kind_and_message(check_step, lambda x, h: x)
    assert kind == "error"
    assert "TypeError" in message
    assert "takes 2 positional arguments" in message


def test_a_changed_input_is_seen_even_if_the_result_is_right(check_step):
    def in_place(x, h, w):
        h += x @ w
        return np.tanh(h)

    kind, message = kind_and_message(check_step, in_place)
    assert (kind, "argument `h` in place" in message) == ("changed input", True)


def test_a_changed_array_inside_a_dict_is_seen():
    make = Check(
        "check_dict",
        solution=lambda p: p["w"] + 1,
        cases=lambda rng: [case({"w": rng.normal(size=3)})],
        mistakes=[],
    )

    def in_place(p):
        p["w"] += 1
        return p["w"]

    assert make.verdict(in_place).kind == "changed input"
    assert make.verdict(lambda p: p["w"] + 1).passed


def test_a_mistake_may_be_a_changed_input(check_step):
    """A known mistake that changes its input is recognised, and the right answer is not taken for it."""

    def in_place(x, h, w):
        h += x @ w
        return np.tanh(h)

    with_it = Check(
        "check_step_2", solution=step, cases=cases, mistakes=[Mistake("in place", in_place, "Do not overwrite h.")]
    )
    assert with_it.verdict(in_place).message == "not yet. Do not overwrite h."
    assert with_it.verdict(step).passed


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda h: [[1.0], [1.0, 2.0]], "type", "`h` should be an array of shape (2, 4), not a list of 2."),
        (lambda h: np.ma.masked_array(h, mask=h > -9), "type", "`h` is a masked array. Return a plain array"),
        (lambda h: "h", "type", "not a value of type str"),
        (lambda h: (h, h), "shape", "not (B, B, H) = (2, 2, 4). Axis 0 is one too many."),
        (lambda h: h.mean(0), "shape", "It is averaged over the batch; that axis should stay."),
        (lambda h: h.mean(1), "shape", "It is averaged over H; that axis should stay."),
        (lambda h: h / len(h), "values", "times 1/B: averaged over the batch, not summed?"),
        (lambda h: h.astype(object), "type", "should hold numbers of type float64, not object"),
        (lambda h: h.T, "shape", "`h` should have shape (B, H) = (2, 4), not (H, B) = (4, 2). It is transposed."),
        (lambda h: np.stack([h] * 7), "shape", "not (7, 2, 4). Axis 0 is one too many."),
        (lambda h: h[None], "shape", "Only an axis of length 1 is too much"),
        (lambda h: np.exp(h.sum(1)), "shape", "one axis too many"),
        (lambda h: h * np.nan, "nan", "`h` is NaN or infinite in 8 of 8 entries, first at [0, 0]."),
        (lambda h: -h, "values", "The sign is the wrong way round."),
        (lambda h: 2 * h, "values", "Yours is the right result times 2."),
        (lambda h: h[::-1], "values", "The first axis is in reverse order."),
        (lambda h: 0 * h, "values", "Yours is zero everywhere."),
        (lambda h: h + 0.5, "values", "8 wrong entries of 8; the largest difference is at ["),
        (lambda h: h.astype(np.float16), "values", "Yours is in float16"),
        (lambda h: h + 0.5, "values", "(Case: B = 2, D = 3, H = 4.)"),
    ],
)
def test_unknown_mistakes_are_described(check_step, change, kind, said):
    got, message = kind_and_message(check_step, lambda x, h, w: change(step(x, h, w)))
    assert got == kind
    assert said in message


def test_one_wrong_entry_is_located(check_step):
    def one_off(x, h, w):
        out = step(x, h, w)
        if out.shape == (2, 4):
            out[1, 2] = 7.0
        return out

    _, message = kind_and_message(check_step, one_off)
    assert "1 wrong entry of 8; the largest difference is at [1, 2]: 7, expected" in message


def test_a_fault_in_an_edge_case_is_found(check_step):
    """Right except for a batch of one."""
    _, message = kind_and_message(check_step, lambda x, h, w: np.squeeze(step(x, h, w)))
    assert "(Case: B = 1, D = 1, H = 1.)" in message


def test_steps_summed_or_shifted_are_told():
    running = Check(
        "check_running",
        solution=lambda x: np.cumsum(x, axis=0),
        cases=lambda rng: [case(rng.normal(size=(5, 2)), T=5, B=2)],
        mistakes=[],
        returns="total",
    )
    late = running.verdict(lambda x: np.concatenate([np.zeros((1, 2)), np.cumsum(x, axis=0)[:-1]]))
    assert "one place too late" in late.message
    early = running.verdict(lambda x: np.concatenate([np.cumsum(x, axis=0)[1:], np.zeros((1, 2))]))
    assert "one place too early" in early.message
    over_batch = Check(
        "check_bias",
        solution=lambda d: d.sum(axis=(0, 1)),
        cases=lambda rng: [case(rng.normal(size=(5, 2, 3)), T=5, B=2, H=3)],
        mistakes=[],
        returns="db",
    )
    message = over_batch.verdict(lambda d: d.sum(axis=0)).message
    assert "`db` should have shape (H,) = (3,), not (B, H) = (2, 3). Did you sum over the batch?" in message
    assert "Did you sum over the steps?" in over_batch.verdict(lambda d: d.sum(axis=1)).message


def test_several_results():
    both = Check(
        "check_both",
        solution=lambda x: (x + 1, (x.sum(axis=0),)),
        cases=lambda rng: [case(rng.normal(size=(2, 3)), label="two rows")],
        mistakes=[],
        returns=("hs", "state"),
    )
    assert both.verdict(lambda x: (x + 1, (x.sum(axis=0),))).passed
    assert both.verdict(lambda x: [x + 1, [x.sum(axis=0)]]).passed, "a list does as well as a tuple"
    assert "should be 2 values (hs, state), not an array" in both.verdict(lambda x: x + 1).message
    assert "should be 2 values (hs, state), not a tuple of 3" in both.verdict(lambda x: (x, x, x)).message
    assert "`state` should be 1 value (state[0])" in both.verdict(lambda x: (x + 1, x.sum(axis=0))).message
    message = both.verdict(lambda x: (x + 1, (x.sum(axis=0) * 3,))).message
    assert "`state[0]` has 3 wrong entries" in message
    assert message.endswith("(Case: two rows.)")
    assert "`hs` should be an array of shape (2, 3), not None." in both.verdict(lambda x: (None, (x[0],))).message


def test_results_in_a_dict():
    grads = Check(
        "check_grads",
        solution=lambda x: {"W": x.T @ x, "b": x.sum(axis=0)},
        cases=lambda rng: [case(rng.normal(size=(4, 3)))],
        mistakes=[],
    )
    assert "keys 'W', 'b', not 'W'" in grads.verdict(lambda x: {"W": x}).message
    assert "dict with the keys 'W', 'b', not an array" in grads.verdict(lambda x: x).message
    assert "`['b']` should have shape (3,)" in grads.verdict(lambda x: {"W": x.T @ x, "b": x}).message
    assert "(Case: arguments of shapes (4, 3).)" in grads.verdict(lambda x: {"W": x.T @ x, "b": x}).message


def test_a_class_is_checked_through_call():
    class Adder:
        def __init__(self, n):
            self.n = n

        def forward(self, x):
            return x + self.n

    adder = Check(
        "check_adder",
        solution=Adder,
        cases=lambda rng: [case(3, rng.normal(size=2))],
        mistakes=[],
        call=lambda cls, n, x: cls(n).forward(x),
    )

    class Wrong(Adder):
        def forward(self, x):
            return x - self.n

    assert adder.verdict(Adder).passed
    assert adder.verdict(Wrong).kind == "values"
    assert adder.verdict(None).kind == "todo"


def test_tensors_are_understood():
    """Anything with `detach().cpu().numpy()`; PyTorch itself is not loaded here."""

    class Tensor:
        def __init__(self, value):
            self.value = value

        def detach(self):
            return self

        cpu = detach

        def numpy(self):
            return self.value

    double = Check("check_double", solution=lambda x: 2 * x, cases=lambda rng: [case(rng.normal(size=3))], mistakes=[])
    assert double.verdict(lambda x: Tensor(2 * x)).passed
    assert "times 2." in double.verdict(lambda x: Tensor(4 * x)).message
    assert "times" not in double.verdict(lambda x: Tensor(2 * 0.9948 * x)).message, "a factor that means nothing"


def test_something_that_is_no_function_is_said(check_step):
    assert kind_and_message(check_step, np.zeros(3)) == (
        "type",
        "not yet. Pass your function itself, not an array of shape (3,).",
    )


def test_numpy_warnings_do_not_reach_the_learner(check_step, recwarn):
    check_step.verdict(lambda x, h, w: np.log(-np.abs(x @ w + h)) / 0.0)
    assert not recwarn.list


def forgotten(x, h, w):
    out = np.tanh(x @ w + h)  # noqa: F841


def forgotten_with_dots_in_an_index(x, h, w):
    out = x @ w + h
    out[..., 0] = 0


@pytest.mark.parametrize("silent", [forgotten, forgotten_with_dots_in_an_index])
def test_a_forgotten_return_is_no_stub(check_step, silent):
    kind, message = kind_and_message(check_step, silent)
    assert (kind, message) == ("none", "not yet. Your function returns None. Is its `return` missing?")


@pytest.mark.parametrize("form", [np.ndarray.tolist, lambda h: tuple(map(tuple, h)), list, np.float32])
def test_lists_and_single_precision_do_as_well(check_step, form):
    assert check_step.verdict(lambda x, h, w: form(step(x, h, w))).passed


def test_a_change_in_place_between_two_calls_is_told_first():
    def running(function, x):
        state, states = np.zeros(2), []
        for x_t in x:
            state = function(state, x_t)
            states.append(state)
        return np.stack(states)

    check = Check(
        "check_running_sum",
        solution=lambda state, x_t: state + x_t,
        cases=lambda rng: [case(rng.normal(size=(4, 2)), T=4)],
        mistakes=[],
        call=running,
    )

    def in_place(state, x_t):
        state += x_t
        return state

    kind, message = kind_and_message(check, in_place)
    assert (kind, "argument `state` in place" in message) == ("changed input", True)
    assert kind_and_message(check, forgotten_sum)[0] == "none"


def forgotten_sum(state, x_t):
    state + x_t


def test_truth_values_are_bool_where_it_matters():
    solution = lambda x: (x, x > 0)  # noqa: E731
    check = Check(
        "check_mask",
        solution=solution,
        cases=lambda _: [case(np.arange(3))],
        mistakes=[],
        exact=True,
        returns=("x", "mask"),
    )
    assert check.verdict(solution).passed
    assert "`mask` should hold truth values (bool)" in kind_and_message(check, lambda x: (x, (x > 0).astype(int)))[1]
    assert "`x` should hold whole numbers (int)" in kind_and_message(check, lambda x: (x.astype(float), x > 0))[1]


ANSWERS = [
    Mistake("no bias", 4160, "The biases are missing."),
    Mistake("twice", 8448, "Counted twice."),
    Mistake("one", 1, "?"),
]


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (4224, "passed", "passed."),
        (4224.0, "passed", "passed."),
        (np.int64(4224), "passed", "passed."),
        (4160, "mistake no bias", "The biases are missing."),
        (4225, "values", "Your answer 4225 is not right."),
        (..., "todo", "not written yet"),
        (None, "todo", "not written yet"),
        ("4224", "type", "should be a number, not a value of type str"),
    ],
)
def test_answers(answer, kind, said):
    verdict = Answer("check_count", 4224, mistakes=ANSWERS).verdict(answer)
    assert verdict.kind == kind
    assert said in verdict.message


def test_answers_that_are_words_shapes_or_real_numbers():
    word = Answer("check_word", "LSTM", mistakes=[Mistake("older", "rnn", "It has a cell state.")])
    assert word.verdict(" lstm ").passed
    assert word.verdict("RNN").kind == "mistake older"
    shape = Answer("check_shape_of_w", (3, 4), mistakes=[Mistake("turned", (4, 3), "The other way round.")])
    assert shape.verdict((3, 4)).passed
    assert shape.verdict([3, 4]).passed
    assert shape.verdict((4, 3)).kind == "mistake turned"
    real = Answer("check_log", np.log(10), mistakes=[])
    assert real.verdict(2.3026).passed
    assert not real.verdict(2.31).passed


def test_prove_accepts_a_good_check(check_step):
    assert prove(check_step) == []
    assert prove(Answer("check_count", 4224, mistakes=ANSWERS)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mistakes": MISTAKES[:2]}, "only 2 known mistakes"),
        ({"mistakes": [*MISTAKES, Mistake("right", step, "?")]}, "the mistake 'right' passes"),
        ({"mistakes": [*MISTAKES, Mistake("same", MISTAKES[0].answer, "Another text.")]}, "'same' is answered with"),
        ({"mistakes": [*MISTAKES, Mistake("same text", lambda x, h, w: -h, "Keep the batch.")]}, "the same message"),
        ({"solution": lambda x, h, w: np.random.default_rng().normal(size=h.shape)}, "the solution does not pass"),
        ({"solution": lambda x, h, w: h.__iadd__(1)}, "changes its argument"),
    ],
)
def test_prove_sees_a_bad_check(change, said):
    check = Check("check_bad", **{"solution": step, "cases": cases, "mistakes": MISTAKES, **change})
    assert any(said in complaint for complaint in prove(check)), prove(check)


def test_names_are_unique_and_begin_with_check(check_step):
    assert core.REGISTRY["check_step"] is check_step
    with pytest.raises(ValueError, match="starts with \"check_\", got 'step'"):
        Answer("step", 1, mistakes=[])
    with pytest.raises(ValueError, match="different names"):
        Answer("check_x", 1, mistakes=[Mistake("a", 2, "b"), Mistake("a", 3, "c")])
    core.REGISTRY["check_x"] = Answer("check_x", 1, mistakes=[])
    core.REGISTRY["check_x"].module = "common.exercises.other"
    with pytest.raises(ValueError, match=r"is taken by common\.exercises\.other"):
        Answer("check_x", 1, mistakes=[])


def test_importing_it_is_light():
    code = "import sys, common.exercises.core; print({'torch', 'tensorflow', 'keras', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
