"""The table of task types: complete, and consistent with what descriptions may hold."""

from __future__ import annotations

import pytest

from doyen.annotation.labelstudio.orphans import config_values
from doyen.annotation.type_table import TASK_TYPES, difference
from doyen.annotation.types.descriptions import RULES, SENTIMENT, DescriptionError, TypeName, parse_description
from doyen.annotation.types.typed_labels import Classes, Entities

NAMES = [{"name": name} for name in SENTIMENT]


def test_every_type_has_an_entry_and_rules():
    assert list(TASK_TYPES) == list(RULES) == list(TypeName)


@pytest.mark.parametrize("name", TypeName)
def test_the_screen_has_the_fields_that_are_read(name):
    description = parse_description({"type": name, **({"labels": NAMES} if RULES[name].labels else {})}, "here")
    entry = TASK_TYPES[name]
    assert set(entry.fields) == config_values(entry.screen(description)).keys() - {"relations"}


@pytest.mark.parametrize("name", TypeName)
def test_what_a_type_may_not_hold_is_refused(name):
    found = {"multiple": True, "relations": ["part of"]}
    for key in [key for key in found if not getattr(RULES[name], key)]:
        raw = {"type": name, key: found[key], **({"labels": NAMES} if RULES[name].labels else {})}
        with pytest.raises(DescriptionError, match=f"{key}: a {name} task cannot have"):
            parse_description(raw, "here")


def test_labels_of_two_types_are_not_compared():
    with pytest.raises(TypeError, match="Classes and Entities cannot be compared"):
        difference(Classes(()), Entities())
