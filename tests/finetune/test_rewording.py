"""Questions in other words: what stays, what changes, and that it can be made again."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.quantities import find_values
from doyen.core.records import Pair
from doyen.finetune import rewording as module
from doyen.finetune.train_reader import load_rewording

pytestmark = pytest.mark.model


loaded = cache(load_rewording)


@pytest.fixture
def rewording():
    return loaded()


def test_near_words_are_other_words(rewording):
    assert "cost" in rewording.near("price")
    for word in ("price", "valve", "doctor"):
        assert 0 < len(rewording.near(word)) <= module.NEAREST
        assert not any(other.startswith(word[: module.STEM]) for other in rewording.near(word))
    assert rewording.near("quillane") == rewording.near("the") == []


@pytest.mark.parametrize("seed", range(8))
def test_values_stay_and_words_change(rewording, seed):
    question = "What torque do the pump head screws of a Corvane 410 get at 2.1 bar?"
    made = rewording.reword(question, random.Random(seed))
    assert made != question
    assert [made[start:end] for start, end in find_values(made)] == [
        question[start:end] for start, end in find_values(question)
    ]


@given(st.text(max_size=60), st.integers(0, 99))
def test_any_question_stays_one(question, seed):
    made = loaded().reword(question, random.Random(seed))
    assert made or not question
    assert made == loaded().reword(question, random.Random(seed))


def test_few_pairs_are_reworded_several_times_and_many_once(rewording):
    few = [Pair(id=f"p{number}", prompt=f"Who repairs the pump {number}?", response="Mara") for number in range(4)]
    made = rewording.pairs(few, 17)
    assert made == rewording.pairs(few, 17) != rewording.pairs(few, 18)
    assert sorted(pair.id for pair in made) == sorted([pair.id for pair in few] * module.TIMES)
    many = [few[0].model_copy(update={"id": str(number)}) for number in range(module.MOST + 1)]
    assert len({pair.id for pair in rewording.pairs(many, 17)}) == len(rewording.pairs(many, 17)) == module.MOST
    assert rewording.pairs([], 17) == []
