"""The table of task types: for each one its labels, and the functions that show, read, write, word and compare them.

A type whose labels have a form that is known (``types/typed_labels``) is an entry of known functions. Another form brings a
module of its own with them; docs/task-types.md says how.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from doyen.annotation.labelstudio.regions import (
    CLASS,
    MARKS,
    PROMPT_RESPONSE_FIELDS,
    Reading,
    Result,
    read_classes,
    read_coreference,
    read_entities,
    read_prompt_response,
    read_tags,
    write_classes,
    write_marks,
    write_prompt_response,
)
from doyen.annotation.labelstudio.screens import SAME, choices_screen, marks_screen, prompt_response_screen
from doyen.annotation.quality import comparison, label_votes
from doyen.annotation.quality.agreement_figures import (
    MeasuresOf,
    class_measures,
    coreference_measures,
    entity_measures,
    tag_measures,
    text_measures,
)
from doyen.annotation.quality.comparison import Difference
from doyen.annotation.quality.label_votes import Decomposition
from doyen.annotation.types import classification, coreference, entities, pos, prompt_response, sentiment
from doyen.annotation.types.descriptions import SENTIMENT, TaskDescription, TypeName
from doyen.annotation.types.typed_labels import Classes, Coreference, Entities, Label, PromptResponse, Tags
from doyen.annotation.types.words import AboutText, Words


@dataclass(frozen=True)
class TypeEntry:
    """What there is to know of a task type, but for its name and what its descriptions hold (``descriptions.RULES``).

    Attributes:
        label: the class of its labels; what it says as a sentence and what is wrong with it are methods of it.
        words: its instruction form for models, plain rows, and drafts by rule.
        screen: the labelling screen of a description (XML).
        fields: the names of the fields that people fill in there.
        read: what is sound of a result, about a text, under a description.
        write: ``write(label, text, uid)``: a label as a result; ``read`` is its inverse.
        measures: how far annotators agree.
        difference: how two labels of one text differ; the order does not matter.
        votes: how a label is taken apart for a consensus, given whether a text may have several classes; None: of free texts
            the one closest to all others is taken.
    """

    label: type[Label]
    words: Words
    screen: Callable[[TaskDescription], str]
    fields: tuple[str, ...]
    read: Callable[[Result, str, TaskDescription], Reading]
    write: Callable[[Any, str, str], Result]
    measures: MeasuresOf
    difference: Callable[[Any, Any], Difference]
    votes: Callable[[bool], Decomposition] | None


TASK_TYPES: dict[str, TypeEntry] = {
    TypeName.PROMPT_RESPONSE: TypeEntry(
        label=PromptResponse,
        words=prompt_response,
        screen=prompt_response_screen,
        fields=PROMPT_RESPONSE_FIELDS,
        read=lambda result, text, _: read_prompt_response(result, text),
        write=lambda label, _, uid: write_prompt_response(label, uid),
        measures=text_measures,
        difference=comparison.differing_answers,
        votes=None,
    ),
    TypeName.CLASSIFICATION: TypeEntry(
        label=Classes,
        words=AboutText(classification),
        screen=choices_screen,
        fields=(CLASS,),
        read=read_classes,
        write=write_classes,
        measures=class_measures,
        difference=comparison.differing_classes,
        votes=label_votes.class_votes,
    ),
    TypeName.ENTITIES: TypeEntry(
        label=Entities,
        words=AboutText(entities),
        screen=lambda description: marks_screen(description, description.relations),
        fields=(MARKS,),
        read=read_entities,
        write=write_marks,
        measures=entity_measures,
        difference=comparison.differing_entities,
        votes=lambda _: label_votes.ENTITY_VOTES,
    ),
    TypeName.SENTIMENT: TypeEntry(
        label=Classes,
        words=AboutText(sentiment),
        screen=choices_screen,
        fields=(CLASS,),
        read=read_classes,
        write=write_classes,
        measures=partial(class_measures, scale=SENTIMENT),
        difference=comparison.differing_classes,
        votes=label_votes.class_votes,
    ),
    TypeName.COREFERENCE: TypeEntry(
        label=Coreference,
        words=AboutText(coreference),
        screen=lambda description: marks_screen(description, (SAME,)),
        fields=(MARKS,),
        read=read_coreference,
        write=write_marks,
        measures=coreference_measures,
        difference=comparison.differing_clusters,
        votes=lambda _: label_votes.COREFERENCE_VOTES,
    ),
    TypeName.POS: TypeEntry(
        label=Tags,
        words=AboutText(pos),
        # A mark snaps to nothing: tokens are often parts of words.
        screen=partial(marks_screen, granularity="symbol"),
        fields=(MARKS,),
        read=read_tags,
        write=write_marks,
        measures=tag_measures,
        difference=comparison.differing_tags,
        votes=lambda _: label_votes.TAG_VOTES,
    ),
}


def label_type(kind: str) -> type[Label]:
    """Return the class of a task type's labels."""
    return TASK_TYPES[kind].label


def types_of(*labels: type[Label]) -> tuple[str, ...]:
    """Return the names of the task types whose labels are of these classes, class by class."""
    return tuple(name for label in labels for name, entry in TASK_TYPES.items() if entry.label is label)


def entry_of(label: Label) -> TypeEntry:
    """Return the first type with such labels; types whose labels are of one class write and compare them alike."""
    return next(entry for entry in TASK_TYPES.values() if entry.label is type(label))


def difference(first: Label, second: Label) -> Difference:
    """Compare two labels of one type; the order does not matter."""
    if type(first) is not type(second):
        raise TypeError(f"{type(first).__name__} and {type(second).__name__} cannot be compared")
    return entry_of(first).difference(first, second)
