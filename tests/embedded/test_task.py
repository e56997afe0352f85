from __future__ import annotations

import random

import pytest

from rsd_graph.embedded.task import (
    LARGEST,
    MAX_EVENTS,
    MIN_EVENTS,
    SMALLEST,
    Equation,
    Problem,
    extract_answer,
    find_equation,
    generate_problem,
    held_out_problems,
    is_held_out,
    is_step_correct,
)

PROBLEM = Problem(
    question=(
        "Adam has 43 candies.\nMonday loses 33.\nTuesday times 4.\nWednesday splits 5.\n"
        "How many candies?"
    ),
    steps=(
        "Monday loses 33. 43-33=10.",
        "Tuesday times 4. 10*4=40.",
        "Wednesday splits 5. 40/5=8.",
        "The answer is \\boxed{8}.",
    ),
    answer=8,
)


@pytest.fixture
def rng() -> random.Random:
    return random.Random(0)


def test_one_seed_one_problem() -> None:
    """The same seed draws the same problem, and another seed another one."""
    assert generate_problem(random.Random(1)) == generate_problem(random.Random(1))
    assert generate_problem(random.Random(1)) != generate_problem(random.Random(2))


def test_every_generated_solution_is_right(rng: random.Random) -> None:
    """A generated problem's own steps are all correct, and its answer is the last value."""
    for _ in range(300):
        problem = generate_problem(rng)

        assert all(is_step_correct(problem, i, step) for i, step in enumerate(problem.steps))
        assert extract_answer(problem.steps[-1]) == problem.answer


def test_problems_stay_in_range(rng: random.Random) -> None:
    """Stories have three to six events, and no value leaves the range the models know."""
    for _ in range(300):
        problem = generate_problem(rng)
        results = [equation.result for step in problem.steps if (equation := find_equation(step))]

        assert MIN_EVENTS <= len(results) <= MAX_EVENTS
        assert all(SMALLEST <= result <= LARGEST for result in results)


def test_no_verb_twice_in_one_story(rng: random.Random) -> None:
    """A verb names its event uniquely."""
    for _ in range(300):
        verbs = [step.split()[1] for step in generate_problem(rng).steps[:-1]]

        assert len(verbs) == len(set(verbs))


def test_length_can_be_fixed(rng: random.Random) -> None:
    """A caller may ask for a number of events; the answer step comes on top."""
    assert {len(generate_problem(rng, events=5).steps) for _ in range(50)} == {6}


def test_held_out_problems_are_held_out_and_distinct() -> None:
    """Every held-out question is reserved, and none comes twice."""
    problems = held_out_problems(100)

    assert all(is_held_out(problem.question) for problem in problems)
    assert len({problem.question for problem in problems}) == 100


def test_held_out_problems_are_stable() -> None:
    """A longer list begins with the shorter one, and the seed decides the list."""
    assert held_out_problems(20)[:10] == held_out_problems(10)
    assert held_out_problems(10, seed=1) != held_out_problems(10)


def test_about_one_in_twenty_is_held_out(rng: random.Random) -> None:
    """Training keeps nearly all problems."""
    reserved = sum(is_held_out(generate_problem(rng).question) for _ in range(4000))

    assert 140 <= reserved <= 260


def test_the_split_never_moves() -> None:
    """The split is part of the shipped weights: were it to move, results would be void."""
    assert not is_held_out(PROBLEM.question)
    assert is_held_out("Adam has 4 candies.")


@pytest.mark.parametrize(
    "text",
    [
        "43-33=10",
        "43 - 33 = 10.",
        "On Monday 33 are lost, so 43-33=10.",
        "After Monday: 43 -33= 10",
        "Of the 43 candies, 33 go: 43-33=10, which leaves 10.",
    ],
)
def test_any_wording_of_the_right_equation_passes(text: str) -> None:
    """Only the equation counts; words and spaces are free."""
    assert is_step_correct(PROBLEM, 0, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Monday loses 33.",
        "Monday loses 33. 43-33=11.",
        "Monday loses 33. 43-33=100.",
        "Monday loses 33. 43-33=10.5",
        "Monday loses 23. 43-23=20.",
        "Monday loses 33. 43+33=76.",
        "Monday loses 33. 33-43=10.",
        "Tuesday times 4. 43*4=172.",
        "43-33=10. 10*4=40.",
        "1+43-33=10",
        "1 + 43 - 33 = 10",
        "43-33=10=10",
        "143-33=10",
        "The answer is \\boxed{10}.",
        "43-33=10, so \\boxed{10}",
    ],
)
def test_corruptions_fail(text: str) -> None:
    """Missing, wrong, chained, doubled and premature claims are all rejected."""
    assert not is_step_correct(PROBLEM, 0, text)


def test_a_step_must_start_from_the_true_value() -> None:
    """Faithful arithmetic on a stale value is wrong."""
    assert not is_step_correct(PROBLEM, 1, "Tuesday times 4. 43*4=172.")
    assert is_step_correct(PROBLEM, 1, "Tuesday times 4. 10*4=40.")


def test_the_last_step_needs_the_answer() -> None:
    """Only the true answer, boxed, ends a solution."""
    assert is_step_correct(PROBLEM, 3, "So it is \\boxed{8}.")
    assert not is_step_correct(PROBLEM, 3, "The answer is \\boxed{9}.")
    assert not is_step_correct(PROBLEM, 3, "The answer is 8.")


@pytest.mark.parametrize("index", [-1, 4])
def test_steps_outside_the_solution_are_wrong(index: int) -> None:
    """Writing on after the answer is never right."""
    assert not is_step_correct(PROBLEM, index, "The answer is \\boxed{8}.")


def test_the_last_box_is_the_answer() -> None:
    """Whoever boxes twice means the second."""
    assert extract_answer("\\boxed{1} no, \\boxed{ 2 }") == 2
    assert extract_answer("nothing") is None


def test_equations_are_read_as_written() -> None:
    """Reading an equation does not judge it."""
    assert find_equation("say 1 + 1 = 3") == Equation(1, "+", 1, 3)
    assert find_equation("no sum here") is None
