"""Export and import in every format give the labels back, or the losses name what is gone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.format_labels import comparable, labelled_texts

from doyen.annotation.exchange.formats import FORMATS, Losses, read_labels
from doyen.annotation.types.typed_labels import Entities, LabelledText, Tags

LOSSLESS_FORMATS = ("label-studio", "label-studio-min", "doccano", "labelbox", "spacy", "huggingface", "csv")
LOSSLESS = [(name, kind) for name in LOSSLESS_FORMATS for kind in FORMATS[name].kinds]
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SLOW = settings(QUICK, max_examples=12)


def there_and_back(labels: list[LabelledText], name: str, kind: str) -> tuple[list[LabelledText], Losses]:
    losses = Losses()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels"
        FORMATS[name].write(iter(labels), path, losses)
        return list(read_labels(path, name, kind, losses)), losses


@pytest.mark.parametrize(("name", "kind"), LOSSLESS)
def test_labels_come_back_as_they_went(name: str, kind: str) -> None:
    @(SLOW if name == "huggingface" else QUICK)
    @given(labelled_texts(kind))
    def check(labels: list[LabelledText]) -> None:
        found, losses = there_and_back(labels, name, kind)
        assert [comparable(item) for item in found] == [comparable(item) for item in labels]
        assert losses.sentences() == []

    check()


@QUICK
@given(labelled_texts("pos"))
def test_conllu_rebuilds_the_text_and_counts_the_tags_that_it_cannot_write(labels: list[LabelledText]) -> None:
    kept = [item for item in labels if item.text.strip()]
    if not kept:
        return
    found, losses = there_and_back(labels, "conllu", "pos")
    assert [(f.item_id, f.text, f.annotator, f.created_at, f.meta) for f in found] == [
        (k.item_id, k.text, k.annotator, k.created_at, k.meta) for k in kept
    ]
    assert losses.records.total() == len(labels) - len(kept)
    before, after = (sum(len(i.label.regions) for i in items if isinstance(i.label, Tags)) for items in (labels, found))
    assert before - after == losses.fields.total()
    for item, old in zip(found, kept, strict=True):
        assert {(r.start, r.end, r.label) for r in item.label.regions} <= {(r.start, r.end, r.label) for r in old.label.regions}


@QUICK
@given(labelled_texts("entities"))
def test_conll_keeps_tokens_and_entities_and_counts_the_rest(labels: list[LabelledText]) -> None:
    kept = [item for item in labels if item.text.strip()]
    if not kept:
        return
    found, losses = there_and_back(labels, "conll", "entities")
    assert len(found) == len(kept)
    for item, old in zip(found, kept, strict=True):
        assert "".join(item.text.split()) == "".join(old.text.split())
        there = {("".join(old.text[r.start : r.end].split()), r.label) for r in old.label.regions}
        assert {("".join(item.text[r.start : r.end].split()), r.label) for r in item.label.regions} <= there
    before, after = (sum(len(i.label.regions) for i in items if isinstance(i.label, Entities)) for items in (labels, found))
    assert before - after == sum(losses.fields[name] for name in losses.fields if name.startswith(("entity", "overlapping")))
    assert losses.fields["relation"] == sum(len(item.label.relations) for item in kept)
    assert losses.fields["item_id"] == len(kept)
    assert losses.fields["annotator"] == sum(bool(item.annotator) for item in kept)
    assert losses.fields["meta"] == sum(bool(item.meta) for item in kept)


@QUICK
@given(st.text())
def test_no_cell_of_a_table_starts_a_formula_and_each_comes_back(cell: str) -> None:
    from doyen.annotation.exchange.spreadsheet import neutralise, restore

    written = neutralise(cell)
    assert written[:1] not in {"=", "+", "-", "@", "\t", "\r"} or written == cell == ""
    assert restore(written) == cell
