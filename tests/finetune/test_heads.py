"""Heads: what they learn from labels, how texts are parted, and that a loaded head says what the trained one said."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
import torch
from support.head_projects import PARTS_OF, described, entity_labels, make_project, region, topic_labels
from support.stopped import StopAfter, Stopped

from doyen.annotation import TaskDescription
from doyen.annotation.types.tokenizer import tokenise
from doyen.annotation.types.typed_labels import Classes, Entities, LabelledText, Region, Tags
from doyen.core.errors import IncompatibleError, InputError, RecordError
from doyen.core.workspace import FILE_NAME, Workspace
from doyen.finetune.heads.head import check_probe, open_head
from doyen.finetune.heads.head_config import HeadType, Probe, head_type, options_of
from doyen.finetune.heads.head_examples import Item, gather_items, make_examples, read_soft_labels
from doyen.finetune.heads.head_labels import label_of, marked
from doyen.finetune.heads.head_network import find_base
from doyen.finetune.heads.head_rows import word_rows
from doyen.finetune.heads.head_split import split_items
from doyen.finetune.heads.head_training import head_loss
from doyen.finetune.heads.train_head import PARTS, train_head
from doyen.finetune.registry import CLASSIFIER, TOKEN_CLASSIFIER, Registry


def right(kind, predicted, true, clusters):
    """Figures as ``measure`` gives them, by hand."""
    share = float(np.mean([own == wanted for own, wanted in zip(predicted, true, strict=True)]))
    return {"metric": "accuracy", "n": len(true), "accuracy": {"mean": share}, "macro_f1": {"mean": share}}


def test_a_head_learns_a_projects_classes_and_says_the_same_once_loaded(space, store):
    make_project(space, store, described("classification", *PARTS_OF), topic_labels())
    made = train_head(space, store, "topics", name="topics", measure=right)
    assert (made.kind, made.manifest["head"]) == (CLASSIFIER, "classification")
    assert made.manifest["test"]["accuracy"]["mean"] > 0.8 > made.manifest["majority"]["accuracy"]["mean"]
    assert made.base_sha256 == find_base("embedder", space.settings.retrieval.embedder).sha256
    assert {path.suffix for path in made.folder.iterdir()} == {".json", ".md", ".safetensors"}
    head = open_head(made.folder, lambda name: find_base("embedder", name))
    label, sure = label_of(head.config, head.score(["plunger and seal pump 90"])[0])
    assert label == Classes(("pump",))
    assert 0.5 < sure <= 1
    again = train_head(space, store, "topics", name="topics", measure=right)
    assert again.ref == made.ref
    parts = json.loads((made.folder / PARTS).read_text())
    assert len({*parts["train"], *parts["validation"], *parts["test"]}) == 60
    with pytest.raises(InputError, match="heads that classify texts"):
        Registry(space, store).require_kind("topics", TOKEN_CLASSIFIER)


def test_the_generator_serves_as_well(space, store, tiny_model):
    path = space.root / FILE_NAME
    path.write_text(path.read_text() + f'head_base = "generator"\n[serving]\nmodel = "{tiny_model}"\n')
    space = Workspace(space.root)
    make_project(space, store, described("entities", "CODE", "NAME"), entity_labels(12))
    made = train_head(space, store, "topics", name="names", measure=right)
    assert made.base_model == str(tiny_model)
    head = open_head(made.folder, lambda name: find_base("generator", name))
    assert [each.words for each in head.score(["Nurse Bob 👩‍🔬"])] == [tuple(tokenise("Nurse Bob 👩‍🔬"))]


def test_a_training_that_changes_nothing_is_refused(space, store):
    path = space.root / FILE_NAME
    path.write_text(path.read_text() + "head_learning_rate = 1e-9\n")
    space = Workspace(space.root)
    make_project(space, store, described("classification", *PARTS_OF), topic_labels(8))
    with pytest.raises(InputError, match="has changed nothing"):
        train_head(space, store, "topics", name="topics", measure=right)


def test_a_stopped_training_goes_on_and_ends_with_the_same_weights(space, store, monkeypatch):
    make_project(space, store, described("classification", *PARTS_OF), topic_labels())
    whole = train_head(space, store, "topics", name="whole", measure=right)
    monkeypatch.setattr("doyen.finetune.heads.train_head.CHECKPOINT_EVERY", 1)
    with pytest.raises(Stopped):
        train_head(space, store, "topics", name="stopped", measure=right, reporter=StopAfter(2))
    resumed = train_head(space, store, "topics", name="stopped", measure=right)
    for name in ("adapter_model.safetensors", "head.safetensors"):
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_several_classes_and_undecided_people_are_learned_as_probabilities():
    options = ("fee", "card", "loan")
    items = gather_items(
        [
            LabelledText("1", "A fee for my card", Classes(("fee", "card")), "ann"),
            LabelledText("1", "a fee  for my card", Classes(("fee",)), "bob", meta={"source": "x"}),
            LabelledText("2", "Hello", Classes(()), "ann", meta={"source": "letter.md", "group": "g"}),
        ]
    )
    assert [item.text for item in items] == ["A fee for my card", "Hello"]
    first, second = make_examples(HeadType.MULTI_LABEL, items, options)
    assert first.target.tolist() == [1, 1, 0]  # the other wording's label is of another text
    assert second.target.tolist() == [0, 0, 0]
    assert (items[1].source, items[1].group) == ("letter.md", "g")
    people = [LabelledText("1", "x", Classes((name,)), who) for name, who in (("fee", "a"), ("fee", "b"), ("card", "c"))]
    (item,) = gather_items(people)
    assert item.gold == Classes(("fee",))
    assert np.allclose(make_examples(HeadType.CLASSIFICATION, [item], options)[0].target, [2 / 3, 1 / 3, 0])


def test_words_keep_their_place_in_any_script(tiny_encoder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    texts = ["Use 50mg of N₂O, naïve 👩‍🔬 user!", "ﬁlter ＡＢＣ été e\u0301te\u0301 日本語 \u200b x", ""]
    words = [tuple(tokenise(text)) for text in texts]
    for row in word_rows(tokenizer, texts, words, 64):
        assert row.words == tuple(range(len(words[row.text])))
        for (start, end), (first, behind) in zip(words[row.text], row.places, strict=True):
            pieces = tokenizer.convert_ids_to_tokens(row.ids[first:behind])
            plain = "".join(pieces).replace("##", "")
            if texts[row.text][start:end].isascii():
                assert plain == texts[row.text][start:end].lower()


def test_each_word_of_a_long_text_is_read_once_where_it_has_most_text_around_it(tiny_encoder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    text = " ".join(f"pump {n}" for n in range(100))
    words = tuple(tokenise(text))
    rows = word_rows(tokenizer, [text], [words], 64)
    assert len(rows) > 3
    assert sorted(word for row in rows for word in row.words) == list(range(len(words)))
    assert all(min(first, len(row.ids) - behind) >= 4 for row in rows[1:-1] for first, behind in row.places)


def test_overlapping_entities_are_refused_and_each_is_named():
    text = "Replace the sample pump PN 410-778."
    apart = Entities((region(text, "sample pump", "PART"), region(text, "PN 410-778", "CODE", 2)))
    nested = Entities((region(text, "sample pump PN", "PART"), region(text, "PN 410-778", "CODE", 2)))
    options = options_of(described("entities", "PART", "CODE"))
    assert options == ("O", "B-PART", "I-PART", "B-CODE", "I-CODE")
    (example,) = make_examples(HeadType.ENTITIES, [Item(text, (apart,))], options)
    assert [options[n] for n in example.target.argmax(axis=1)][2:6] == ["B-PART", "I-PART", "B-CODE", "I-CODE"]
    with pytest.raises(InputError, match=r"'sample pump PN' \[PART\] and 'PN 410-778' \[CODE\]"):
        make_examples(HeadType.ENTITIES, [Item(text, (apart,)), Item(text, (nested,))], options)


def test_entities_are_marked_by_exact_characters_and_words_by_their_tags(space, store):
    make_project(space, store, described("entities", "CODE", "NAME"), entity_labels())
    made = train_head(space, store, "topics", name="names", measure=right)
    assert made.kind == TOKEN_CLASSIFIER
    head = open_head(made.folder, lambda name: find_base("embedder", name))
    text = "👩‍🔬 Nurse Bob saw machine M-123 in room C 👩‍🔬."
    found = marked(head.config, head.score([text])[0])
    assert {(each.text, each.label) for each in found} == {("Bob", "NAME"), ("M-123", "CODE")}
    assert all(text[each.start : each.end] == each.text and 0 < each.score <= 1 for each in found)
    assert label_of(head.config, head.score([""])[0]) == (Entities(), 1.0)


def test_tags_are_learned_for_the_tokens_that_people_marked():
    text = "do not"
    tags = Tags((Region("1", 0, 2, "AUX"), Region("2", 3, 6, "PART")))
    (example,) = make_examples(HeadType.POS, [Item(text, (tags,))], ("AUX", "PART"))
    assert example.words == ((0, 2), (3, 6))
    assert example.target.tolist() == [[1, 0], [0, 1]]


def test_documents_groups_and_near_repeats_stay_together_and_stay_where_they_are():
    items = [Item(f"item {n} of the list {chr(97 + n % 26)}{n}", (Classes(("x",)),), None, f"d{n // 4}.md") for n in range(80)]
    items.append(Item("a soft one", (), {"x": 1.0}, "d0.md"))
    parts = split_items(items, {"d0.md": "twins", "d1.md": "twins"})
    of = {item.source: name for name, own in vars(parts).items() if name != "clusters" for item in own if item.labels}
    assert of["d0.md"] == of["d1.md"]
    sources = [{item.source for item in own} for own in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, sources)) == len(set.union(*sources))
    assert 12 <= len(parts.test) <= 24
    assert len(parts.clusters) == len(parts.test)
    assert all(item.labels for item in (*parts.validation, *parts.test))
    more = [*items, *(Item(f"new {n} {n}", (Classes(("x",)),), None, f"n{n}.md") for n in range(8))]
    after = split_items(more, {"d0.md": "twins", "d1.md": "twins"})
    moved = {item.text for item in parts.test} & {item.text for item in after.train}
    assert len(moved) <= 8
    with pytest.raises(InputError, match="hang together"):
        split_items([Item(f"text {n}{n}", (Classes(("x",)),), None, "one.md") for n in range(9)], {})


def test_soft_labels_are_learned_from_by_their_probabilities(tmp_path, space, store):
    path = tmp_path / "soft_labels.jsonl"
    rows = [
        {"id": "1", "text": "hose screen", "votes": {"f": "line"}, "probabilities": {"pump": 0.1, "line": 0.6, "door": 0.3}},
        {"id": "2", "text": "nobody knows", "votes": {}, "probabilities": {"pump": 0.4, "line": 0.3, "door": 0.3}},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (item,) = read_soft_labels(path, {"1": {"source": "a.md"}}, ("pump", "line", "door"))
    assert item.source == "a.md"
    (example,) = make_examples(HeadType.CLASSIFICATION, [item], ("pump", "line", "door"))
    assert np.allclose(example.target, [0.1, 0.6, 0.3])
    entity = {
        "id": "3",
        "text": "pump x",
        "votes": {"f": []},
        "entities": [{"start": 0, "end": 4, "label": "P", "probability": 0.8}],
    }
    path.write_text(json.dumps(entity))
    (item,) = read_soft_labels(path, {}, ("O", "B-P", "I-P"))
    (example,) = make_examples(HeadType.ENTITIES, [item], ("O", "B-P", "I-P"))
    assert np.allclose(example.target, [[0.2, 0.8, 0], [1, 0, 0]])
    path.write_text(json.dumps(rows[0]) + "\n{}\n")
    with pytest.raises(RecordError, match=r"(?s)line 1 has labels.*door.*line 2 is no soft label"):
        read_soft_labels(path, {}, ("pump", "line"))
    make_project(space, store, described("classification", *PARTS_OF), topic_labels())
    path.write_text(json.dumps(rows[0]))
    made = train_head(space, store, "topics", name="soft", measure=right, soft=path)
    assert made.manifest["soft"] == 1


def test_what_is_not_known_of_several_classes_teaches_nothing(tmp_path):
    path, options = tmp_path / "soft_labels.jsonl", ("fee", "card")
    row = {"id": "1", "text": "a\u2028fee", "votes": {"f": {"fee": True}}, "probabilities": {"fee": 0.8}, "label": ["fee"]}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    items = read_soft_labels(path, {}, options)
    assert [item.text for item in items] == ["a\u2028fee"], "a line ends where JSON lines do"
    (example,) = make_examples(HeadType.MULTI_LABEL, items, options)
    assert np.allclose(example.target, [0.8, np.nan], equal_nan=True)
    logits = torch.tensor([[0.0, 3.0]], requires_grad=True)
    loss = head_loss(HeadType.MULTI_LABEL, logits, torch.from_numpy(example.target)[None])
    assert loss.item() == pytest.approx(math.log(2))
    loss.backward()
    assert logits.grad[0].tolist() == pytest.approx([-0.3, 0.0])


def test_a_head_that_acts_otherwise_than_when_it_was_trained_is_refused(space, store, tmp_path):
    make_project(space, store, described("classification", *PARTS_OF), topic_labels())
    made = train_head(space, store, "topics", name="topics", measure=right)
    changed = tmp_path / "changed"
    shutil.copytree(made.folder, changed)
    from safetensors.torch import load_file, save_file

    weights = load_file(changed / "adapter_model.safetensors")
    save_file({name: tensor * 0 for name, tensor in weights.items()}, changed / "adapter_model.safetensors")
    with pytest.raises(IncompatibleError, match="does not say what it said"):
        open_head(changed, lambda name: find_base("embedder", name))
    config = json.loads((made.folder / "head.json").read_text())
    (made.folder / "head.json").write_text(json.dumps({**config, "base_sha256": "0" * 64}))
    with pytest.raises(IncompatibleError, match="was trained on"):
        open_head(made.folder, lambda name: find_base("embedder", name))
    with pytest.raises(IncompatibleError, match="cannot be read"):
        open_head(tmp_path, lambda name: find_base("embedder", name))
    check_probe(Probe(("a",), ((1.0,),), ((0.0,),)), Probe(("a",), ((1.05,),), ((0.0,),)))


def test_other_task_types_have_no_head():
    with pytest.raises(InputError, match="prompt-response are neither"):
        head_type(TaskDescription(type="prompt-response"))
