"""Files in the shape that each tool documents, broken ones, and what is said about them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from doyen.annotation.exchange.formats import FORMATS, Losses, get_format, read_labels
from doyen.annotation.types.typed_labels import (
    Classes,
    Coreference,
    Entities,
    Label,
    LabelError,
    LabelledText,
    PromptResponse,
    Region,
    Relation,
    Tags,
)
from doyen.core.errors import InputError, NotFoundError, RecordError
from doyen.core.records import REFUSAL

TEXT = "Zoë 😀 met Bob in Cafe\u0301 Ost."


def read(tmp_path: Path, name: str, kind: str, *lines: object) -> tuple[list[LabelledText], Losses]:
    """Read lines (JSON values or texts) as a file of that format."""
    path = tmp_path / "file"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), encoding="utf-8")
    losses = Losses()
    return list(read_labels(path, name, kind, losses)), losses


def only(found: tuple[list[LabelledText], Losses]) -> Label:
    [item] = found[0]
    return item.label


# Doccano


def test_doccano_classification_in_its_columns(tmp_path: Path) -> None:
    found, losses = read(
        tmp_path,
        "doccano",
        "classification",
        {"id": 1, "text": "Gut.", "label": ["positive"], "shop": "Ost", "Comments": []},
        {"id": 2, "text": "Naja.", "labels": ["neutral", "long"], "Comments": ["really?"]},
        {"id": 3, "text": "?", "label": []},
    )
    assert found[0] == LabelledText("1", "Gut.", Classes(("positive",)), meta={"shop": "Ost"})
    assert found[1].label == Classes(("neutral", "long"))
    assert losses.as_json() == {"fields": {"comment": 1}, "records": {"it has no label": 1}}


def test_doccano_entities_with_and_without_relations(tmp_path: Path) -> None:
    entities = [
        {"id": 70, "label": "PER", "start_offset": 0, "end_offset": 3},
        {"id": 71, "label": "PER", "start_offset": 10, "end_offset": 13},
    ]
    links = [{"id": 9, "from_id": 70, "to_id": 71, "type": "meets"}]
    related = {"id": 1, "text": TEXT, "entities": entities, "relations": links, "Comments": []}
    found, _ = read(
        tmp_path, "doccano", "entities", related, {"text": TEXT, "label": [[10, 13, "PER"]]}, {"text": "x", "labels": []}
    )
    assert found[0].label == Entities(
        (Region("70", 0, 3, "PER"), Region("71", 10, 13, "PER")), (Relation("70", "71", "meets"),)
    )
    assert found[1].label == Entities((Region("0", 10, 13, "PER"),))
    assert found[2].label == Entities()
    coreference, _ = read(tmp_path, "doccano", "coreference", related)
    assert isinstance(coreference[0].label, Coreference)
    assert coreference[0].label.clusters() == [{"70", "71"}]


def test_doccano_intent_projects_give_either_kind_and_count_the_other(tmp_path: Path) -> None:
    row = {"text": "Flug nach Rom", "entities": [[10, 13, "City"]], "cats": ["flight"]}
    found, losses = read(tmp_path, "doccano", "classification", row)
    assert (found[0].label, losses.fields.total()) == (Classes(("flight",)), 1)
    found, losses = read(tmp_path, "doccano", "entities", row)
    assert (found[0].label, losses.fields.total()) == (Entities((Region("0", 10, 13, "City"),)), 1)


def test_doccano_answers_are_prompt_response_labels(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "doccano", "prompt-response", {"id": 4, "text": "Wie viel?", "label": ["1 €", REFUSAL]})
    assert [item.label for item in found] == [
        PromptResponse("Wie viel?", "1 €", answerable=True),
        PromptResponse("Wie viel?", REFUSAL, answerable=False),
    ]
    assert {item.item_id for item in found} == {"4"}


def test_doccano_is_written_plainly_unless_there_are_relations(tmp_path: Path) -> None:
    marked = (Region("a", 0, 3, "PER"), Region("b", 10, 13, "PER"))
    plain, related = (
        LabelledText("1", TEXT, Entities(marked)),
        LabelledText("2", TEXT, Entities(marked, (Relation("b", "a", "x"),))),
    )
    FORMATS["doccano"].write([plain], tmp_path / "plain.jsonl", Losses())
    FORMATS["doccano"].write([plain, related], tmp_path / "related.jsonl", Losses())
    assert json.loads((tmp_path / "plain.jsonl").read_text())["label"] == [[0, 3, "PER"], [10, 13, "PER"]]
    rows = [json.loads(line) for line in (tmp_path / "related.jsonl").read_text().splitlines()]
    assert [len(row["entities"]) for row in rows] == [2, 2]
    assert rows[1]["relations"] == [{"id": 0, "from_id": 1, "to_id": 0, "type": "x"}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.jsonl", "related.jsonl"]


# Labelbox


def labelbox_row(text: str, annotations: dict, **data_row: object) -> dict:
    label = {
        "id": "l1",
        "label_kind": "Default",
        "label_details": {"created_by": "ann@example.com", "created_at": "2026-01-01"},
    }
    projects = {"p1": {"name": "P", "labels": [{**label, "annotations": annotations}]}}
    return {"data_row": {"id": "d1", "global_key": "g1", "row_data": text, **data_row}, "projects": projects}


def text_entity(name: str, start: int, end: int, token: str, identity: str = "f1") -> dict:
    place = {"start": start, "end": end, "token": token}
    return {"feature_id": identity, "name": name, "annotation_kind": "TextEntity", "classifications": [], "location": place}


def test_labelbox_ends_are_inclusive(tmp_path: Path) -> None:
    objects = [text_entity("PER", 0, 2, "Zoë", "a"), text_entity("PER", 10, 12, "Bob", "b")]
    links = [{"name": "meets", "unidirectional_relationship": {"source": "a", "target": "b"}}]
    found, _ = read(tmp_path, "labelbox", "entities", labelbox_row(TEXT, {"objects": objects, "relationships": links}))
    marked = (Region("a", 0, 3, "PER"), Region("b", 10, 13, "PER"))
    assert found == [
        LabelledText("g1", TEXT, Entities(marked, (Relation("a", "b", "meets"),)), "ann@example.com", "2026-01-01")
    ]


def test_labelbox_offsets_in_utf16_units_are_told_by_the_token(tmp_path: Path) -> None:
    found = read(tmp_path, "labelbox", "entities", labelbox_row(TEXT, {"objects": [text_entity("PER", 11, 13, "Bob")]}))
    assert only(found) == Entities((Region("f1", 10, 13, "PER"),))


def test_labelbox_exclusive_ends_are_refused_because_the_token_contradicts(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="line 1: 'PER' at 10 to 13 says 'Bob', but the text has 'Bob ' there"):
        read(tmp_path, "labelbox", "entities", labelbox_row(TEXT, {"objects": [text_entity("PER", 10, 13, "Bob")]}))


def test_labelbox_answers(tmp_path: Path) -> None:
    radio = {"classifications": [{"name": "tone", "radio_answer": {"name": "pos", "classifications": []}}]}
    many = {"classifications": [{"name": "topic", "checklist_answers": [{"name": "a"}, {"name": "b"}]}]}
    texts = {
        "classifications": [
            {"name": "prompt", "text_answer": {"content": "Who?"}},
            {"name": "response", "text_answer": {"content": "Bob"}},
        ]
    }
    alone = {"classifications": [{"name": "answer", "text_answer": {"content": "Bob"}}]}
    assert only(read(tmp_path, "labelbox", "sentiment", labelbox_row("x", radio))) == Classes(("pos",))
    assert only(read(tmp_path, "labelbox", "classification", labelbox_row("x", many))) == Classes(("a", "b"))
    found, _ = read(tmp_path, "labelbox", "prompt-response", labelbox_row(TEXT, texts), labelbox_row("Who?", alone))
    assert [(item.text, item.label.prompt, item.label.response) for item in found] == [
        (TEXT, "Who?", "Bob"),
        ("", "Who?", "Bob"),
    ]


def test_labelbox_rows_whose_text_lies_elsewhere_are_counted(tmp_path: Path) -> None:
    radio = {"classifications": [{"name": "tone", "radio_answer": {"name": "pos"}}]}
    found, losses = read(
        tmp_path, "labelbox", "sentiment", labelbox_row("https://store.example/1.txt", radio), labelbox_row("x", radio)
    )
    assert len(found) == 1
    assert losses.sentences() == [
        "1 records left out: row_data is an address and the text lies elsewhere: export the rows with their text"
    ]


# CoNLL


@pytest.mark.parametrize(
    "tags",
    [
        ["B-PER", "I-PER", "B-PER", "O"],
        ["I-PER", "I-PER", "B-PER", "O"],
        ["B-PER", "E-PER", "S-PER", "O"],
        ["B-PER", "L-PER", "U-PER", "O"],
    ],
)
def test_conll_schemes(tmp_path: Path, tags: list[str]) -> None:
    lines = [f"{form} NNP B-NP {tag}" for form, tag in zip(["Zoë", "Ost", "Bob", "."], tags, strict=True)]
    found, _ = read(tmp_path, "conll", "entities", "-DOCSTART- -X- -X- O", "", *lines)
    assert found[0].text == "Zoë Ost Bob ."
    assert only((found, Losses())) == Entities((Region("0", 0, 7, "PER"), Region("1", 8, 11, "PER")))


def test_conll_overlaps_and_relations_are_counted(tmp_path: Path) -> None:
    marked = (Region("a", 0, 9, "EVENT"), Region("b", 0, 3, "PER"), Region("c", 10, 14, "PER"), Region("d", 3, 4, "GAP"))
    losses = Losses()
    item = LabelledText("1", TEXT, Entities(marked, (Relation("a", "b", "x"),)), "ann", "2026-01-01", {"page": 3})
    FORMATS["conll"].write([item], tmp_path / "x", losses)
    assert (tmp_path / "x").read_text().split("\n\n")[0].split("\n") == [
        "Zoë B-EVENT", "😀 I-EVENT", "met I-EVENT", "Bob B-PER", "in O", "Cafe\u0301 O", "Ost O", ". O",
    ]  # fmt: skip
    assert losses.fields == {
        "overlapping entity": 1, "entity of blanks alone": 1, "blank at the edge of an entity": 1, "relation": 1,
        "spacing of the text": 1, "item_id": 1, "annotator": 1, "created_at": 1, "meta": 1,
    }  # fmt: skip


def row(identity: str, form: str, tag: str, misc: str = "_") -> str:
    return "\t".join([identity, form, "_", tag, "_", "_", "_", "_", "_", misc])


def test_conllu_spacing_and_multiword_tokens(tmp_path: Path) -> None:
    lines = [
        "# sent_id = s1",
        "# text = I don't go.",
        row("1", "I", "PRON"),
        row("2-3", "don't", "_"),
        row("2", "do", "AUX"),
        row("3", "n't", "PART"),
        row("3.1", "really", "ADV"),
        row("4", "go", "VERB", "SpaceAfter=No"),
        row("5", ".", "PUNCT"),
    ]
    found, losses = read(tmp_path, "conllu", "pos", *lines)
    marked = [(found[0].text[t.start : t.end], t.label) for t in found[0].label.regions]
    assert (found[0].item_id, found[0].text) == ("s1", "I don't go.")
    assert marked == [("I", "PRON"), ("do", "AUX"), ("n't", "PART"), ("go", "VERB"), (".", "PUNCT")]
    assert losses.fields == {"empty node": 1}
    merged = [row("1-2", "du", "_"), row("1", "de", "ADP"), row("2", "le", "DET"), row("3", "lac", "NOUN")]
    found, losses = read(tmp_path, "conllu", "pos", *merged)
    assert found[0].text == "du lac"
    assert only((found, losses)) == Tags((Region("0", 3, 6, "NOUN"),))
    assert losses.fields.total() == 2


def test_conllu_tokens_that_contradict_the_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="line 1: the token 'Katze' is not at position 4"):
        read(tmp_path, "conllu", "pos", "# text = Der Hund", row("1", "Der", "DET"), row("2", "Katze", "NOUN"))


def test_conllu_library_reads_what_we_write(tmp_path: Path) -> None:
    import conllu

    text = "Zoë  ran\r\nhome."
    marked = tuple(
        Region(str(n), s, e, tag) for n, (s, e, tag) in enumerate([(0, 3, "PROPN"), (5, 8, "VERB"), (14, 15, "PUNCT")])
    )
    FORMATS["conllu"].write([LabelledText("1", text, Tags(marked))], tmp_path / "x", Losses())
    [sentence] = conllu.parse((tmp_path / "x").read_text())
    assert [(token["form"], token["upos"]) for token in sentence] == [
        ("Zoë", "PROPN"),
        ("ran", "VERB"),
        ("home", "_"),
        (".", "PUNCT"),
    ]
    assert sentence[0]["misc"] == {"SpacesAfter": "\\s\\s"}
    assert sentence[2]["misc"] == {"SpaceAfter": "No"}


# spaCy and Prodigy


def test_spacy_relations_by_span_and_by_token(tmp_path: Path) -> None:
    spans = [
        {"start": 0, "end": 3, "label": "PER", "token_start": 0, "token_end": 0},
        {"start": 10, "end": 13, "label": "PER", "token_start": 3, "token_end": 3},
    ]
    by_token = {"text": TEXT, "spans": spans, "relations": [{"head": 0, "child": 3, "label": "meets"}], "answer": "accept"}
    by_span = {
        "text": TEXT,
        "spans": spans,
        "relations": [
            {
                "head_span": {"start": 0, "end": 3, "label": "PER"},
                "child_span": {"start": 10, "end": 13, "label": "PER"},
                "label": "meets",
            }
        ],
    }
    found, losses = read(tmp_path, "spacy", "entities", by_token, by_span, {**by_token, "answer": "reject"})
    expected = Entities((Region("0", 0, 3, "PER"), Region("1", 10, 13, "PER")), (Relation("0", "1", "meets"),))
    assert [item.label for item in found] == [expected, expected]
    assert losses.records == {"it was answered with 'reject'": 1}
    with pytest.raises(RecordError, match="the child of relation 'meets' is no span: 9"):
        read(tmp_path, "spacy", "entities", {**by_token, "relations": [{"head": 0, "child": 9, "label": "meets"}]})


def test_spacy_categories_and_prodigy_fields(tmp_path: Path) -> None:
    found, _ = read(
        tmp_path,
        "spacy",
        "classification",
        {"text": "x", "cats": {"a": 1.0, "b": 0.0, "c": 0.9}, "meta": {"page": 2}},
        {"text": "y", "accept": ["b"], "options": [{"id": "b", "text": "B"}], "_annotator_id": "ann", "_timestamp": 0},
        {"text": "z", "label": "c", "answer": "accept"},
    )
    assert [item.label for item in found] == [Classes(("a", "c")), Classes(("b",)), Classes(("c",))]
    assert (found[0].meta, found[1].annotator, found[1].created_at) == ({"page": 2}, "ann", "1970-01-01T00:00:00+00:00")


# Hugging Face


def test_huggingface_folder_opens_with_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    items = [LabelledText(str(n), f"text {n}", Classes((name,))) for n, name in enumerate(["b", "a", "b"])]
    FORMATS["huggingface"].write(items, tmp_path / "out", Losses())
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded.features["label"] == datasets.ClassLabel(names=["b", "a"])
    assert loaded["label"][:] == [0, 1, 0]
    loaded.save_to_disk(str(tmp_path / "saved"))
    found = list(read_labels(tmp_path / "saved", "huggingface", "classification", Losses()))
    assert [item.label for item in found] == [item.label for item in items]
    FORMATS["huggingface"].write(items, tmp_path / "out", Losses())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="is no earlier export"):
        FORMATS["huggingface"].write(items, tmp_path / "mine", Losses())
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_huggingface_usual_columns_and_splits(tmp_path: Path) -> None:
    import datasets

    tags = datasets.List(datasets.ClassLabel(names=["O", "B-PER", "I-PER"]))
    features = datasets.Features({"tokens": datasets.List(datasets.Value("string")), "ner_tags": tags})
    rows = {"tokens": [["Zoë", "Ost", "ran"]], "ner_tags": [[1, 2, 0]]}
    train = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": train, "test": train}).save_to_disk(str(tmp_path / "ner"))
    found = list(read_labels(tmp_path / "ner", "huggingface", "entities", Losses()))
    assert [item.meta for item in found] == [{"split": "test"}, {"split": "train"}]
    assert found[0].text == "Zoë Ost ran"
    assert found[0].label == Entities((Region("0", 0, 7, "PER"),))
    pairs = datasets.Dataset.from_dict({"instruction": ["Who?"], "context": ["Bob ran."], "output": ["Bob"], "topic": ["x"]})
    pairs.to_parquet(str(tmp_path / "pairs.parquet"))
    [pair] = read_labels(tmp_path / "pairs.parquet", "huggingface", "prompt-response", Losses())
    assert (pair.text, pair.label, pair.meta) == ("Bob ran.", PromptResponse("Who?", "Bob", answerable=True), {"topic": "x"})


# CSV


def test_csv_of_a_spreadsheet(tmp_path: Path) -> None:
    found, losses = read(
        tmp_path, "csv", "classification", "\ufefftext;category;shop", '"one;\ntwo";a;Ost', 'three;["a", "b"];', "four;;"
    )
    assert [(item.text, item.label) for item in found] == [("one;\ntwo", Classes(("a",))), ("three", Classes(("a", "b")))]
    assert found[0].meta == {"shop": "Ost"}
    assert losses.records == {"it has no label": 1}
    found, _ = read(tmp_path, "csv", "prompt-response", "question,answer,rating", "Who?,Bob,good")
    assert (found[0].label, found[0].meta) == (PromptResponse("Who?", "Bob", answerable=True), {"rating": "good"})


def test_csv_formulas_are_neutralised(tmp_path: Path) -> None:
    item = LabelledText("1", '=HYPERLINK("http://x.example")', Classes(("+a",)), meta={})
    FORMATS["csv"].write([item], tmp_path / "x.csv", Losses())
    with (tmp_path / "x.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert (rows[0]["text"], rows[0]["label"]) == ('\'=HYPERLINK("http://x.example")', "'+a")
    assert list(read_labels(tmp_path / "x.csv", "csv", "classification", Losses())) == [item]


# SageMaker


def manifest(label: object, job: dict, **source: object) -> dict:
    more = {"confidence": 0.8, "job-name": "j", "human-annotated": "yes", "creation-date": "2020-10-18T22:18:13.527256"}
    return {**(source or {"source": "Lecker"}), "mood": label, "mood-metadata": {**more, **job}}


@pytest.mark.parametrize(
    ("label", "job", "expected"),
    [
        ("1", {"class-name": "positive", "type": "groundtruth/text-classification"}, ("positive",)),
        (1, {"class-name": "positive", "type": "groundtruth/text-classification"}, ("positive",)),
        ("positive", {"type": "groundtruth/text-classification"}, ("positive",)),
        ([0, 2], {"class-map": {"0": "a", "2": "c"}, "type": "groundtruth/text-classification-multilabel"}, ("a", "c")),
        ("[0, 2]", {"class-map": {"0": "a", "2": "c"}, "type": "groundtruth/text-classification-multilabel"}, ("a", "c")),
    ],
)
def test_sagemaker_classes(tmp_path: Path, label: object, job: dict, expected: tuple[str, ...]) -> None:
    found, _ = read(tmp_path, "sagemaker", "classification", manifest(label, job))
    assert found[0].label == Classes(expected)
    assert found[0].created_at == "2020-10-18T22:18:13.527256"
    assert found[0].meta == {"job-name": "j", "human-annotated": "yes", "confidence": 0.8}


def test_sagemaker_spans_and_texts_elsewhere(tmp_path: Path) -> None:
    spans = {"annotations": {"labels": [{"label": "PER"}], "entities": [{"label": "PER", "startOffset": 10, "endOffset": 13}]}}
    job = {"type": "groundtruth/text-span", "entities": [{"confidence": 0}]}
    elsewhere = {"source-ref": "s3://bucket/1.txt"}
    found, losses = read(
        tmp_path, "sagemaker", "entities", manifest(spans, job, source=TEXT), manifest(spans, job, **elsewhere)
    )
    assert only((found, losses)) == Entities((Region("0", 10, 13, "PER"),))
    assert losses.records == {"source-ref: the text lies in another file, which is not fetched": 1}
    with pytest.raises(InputError, match="holds no labels"):
        read(tmp_path, "sagemaker", "entities", manifest(spans, job, **elsewhere))
    with pytest.raises(RecordError, match="label 7 is a number that neither class-name nor class-map explains"):
        read(tmp_path, "sagemaker", "classification", manifest(7, {"type": "groundtruth/text-classification"}))


# What all share

BROKEN = {
    "doccano": ('{"text": "abc", "label": [[0, 9, "X"]]}', "'X' at 0 to 9 lies outside the text of 3 characters"),
    "labelbox": ('{"data_row": {"row_data": "abc"}}', "it has no 'projects'"),
    "spacy": ('{"text": "abc", "spans": [{"start": "0", "end": 1, "label": "X"}]}', "a stretch needs whole-number offsets"),
    "sagemaker": ("{oops", "not valid JSON"),
    "conll": ("alone", "expected a token and a tag"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_every_broken_line_is_named_and_nothing_is_taken(tmp_path: Path, name: str) -> None:
    line, reason = BROKEN[name]
    path = tmp_path / "labels.txt"
    path.write_text(f"\n{line}\n" * 12)
    taken = []
    with pytest.raises(RecordError) as caught:
        taken.extend(read_labels(path, name, "entities", Losses()))
    message = str(caught.value)
    assert f"labels.txt, line 2: {reason}" in message
    assert "12 broken record(s), nothing was imported" in message
    assert "… and 2 more" in message
    assert not taken


def test_csv_rows_and_bytes_that_are_broken_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="line 3: 3 cells under 2 columns"):
        read(tmp_path, "csv", "classification", "text,label", "a,b", "a,b,c")
    with pytest.raises(RecordError, match="line 3: not a row of a table"):
        read(tmp_path, "csv", "classification", "text,label", "a,b", 'a,"b')
    (tmp_path / "x.csv").write_bytes("text,label\nk\xf6,b\n".encode("latin-1"))
    with pytest.raises(RecordError, match="not UTF-8"):
        list(read_labels(tmp_path / "x.csv", "csv", "classification", Losses()))
    (tmp_path / "x.jsonl").write_bytes('{"text": "kö", "label": ["b"]}\n'.encode() + b'{"text": "k\xf6"}\n')
    with pytest.raises(RecordError, match=r"x.jsonl, line 2: not UTF-8 \(byte 11"):
        list(read_labels(tmp_path / "x.jsonl", "doccano", "classification", Losses()))


def test_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="line 1: half of a surrogate pair"):
        read(tmp_path, "doccano", "classification", '{"text": "\\ud83d", "label": ["a"]}')


@pytest.mark.parametrize("name", [name for name, found in FORMATS.items() if found.writes and "entities" in found.kinds])
def test_labels_that_contradict_their_text_are_not_written(tmp_path: Path, name: str) -> None:
    good, bad = (LabelledText(str(n), "abc", Entities((Region("0", 0, n, "X"),))) for n in (3, 4))
    (tmp_path / "out").write_text("before") if name != "huggingface" else None
    with pytest.raises(LabelError, match="item '4': 'X' at 0 to 4 lies outside the text of 3 characters"):
        FORMATS[name].write([good, bad], tmp_path / "out", Losses())
    assert name == "huggingface" or (tmp_path / "out").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ([] if name == "huggingface" else ["out"])


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    known = "conll, conllu, csv, doccano, huggingface, label-studio, label-studio-min, labelbox, sagemaker, spacy"
    with pytest.raises(NotFoundError, match=f"known ones are {known}"):
        get_format("brat", "entities")
    with pytest.raises(NotFoundError, match="known ones are prompt-response, classification"):
        get_format("csv", "tones")
    with pytest.raises(InputError, match="csv cannot carry labels of type entities: use conll, doccano"):
        get_format("csv", "entities")
    with pytest.raises(InputError, match="format to import from: use conll, doccano"):
        get_format("sagemaker", "entities", to_write=True)
    with pytest.raises(InputError, match="does not exist"):
        next(read_labels(tmp_path / "none", "doccano", "entities", Losses()))


# One rule for the records of all formats


def test_the_older_names_of_doccano_are_known(tmp_path: Path) -> None:
    """1.3 to 1.5 called the text ``data``; 1.0 wrote an object for each label under ``annotations``."""
    marked, _ = read(tmp_path, "doccano", "entities", {"id": 10, "data": "Peter works in Oslo.", "label": [[0, 5, "PER"]]})
    assert marked == [LabelledText("10", "Peter works in Oslo.", Entities((Region("0", 0, 5, "PER"),)))]
    old = [{"id": 3, "label": "PER", "start_offset": 0, "end_offset": 3, "user": 1}]
    marked, _ = read(tmp_path, "doccano", "entities", {"id": 1, "text": TEXT, "annotations": old, "meta": {"page": 2}})
    assert (marked[0].label, marked[0].meta) == (Entities((Region("3", 0, 3, "PER"),)), {"page": 2})
    found, _ = read(tmp_path, "doccano", "classification", {"data": "Gut.", "labels": ["good"]})
    assert found[0].label == Classes(("good",))
    found, _ = read(tmp_path, "doccano", "prompt-response", {"data": "Why?", "annotations": [{"id": 1, "text": "So."}]})
    assert found[0].label == PromptResponse("Why?", "So.", answerable=True)
    found, _ = read(tmp_path, "doccano", "classification", {"text": "Gut.", "data": "kept", "label": ["good"]})
    assert (found[0].text, found[0].meta) == ("Gut.", {"data": "kept"})


@pytest.mark.parametrize(
    ("name", "kind", "row"),
    [
        (
            "doccano",
            "entities",
            {"id": 7, "text": "Bob", "entities": [{"id": None, "start_offset": 0, "end_offset": 3, "label": "P"}]},
        ),
        ("doccano", "classification", {"id": 7, "text": "Bob", "labels": ["P"]}),
        ("doccano", "prompt-response", {"id": 7, "text": "Bob?", "label": ["Yes."], "details": {"evidence": None}}),
        ("spacy", "entities", {"id": 7, "text": "Bob", "spans": [{"id": None, "start": 0, "end": 3, "label": "P"}]}),
        ("spacy", "classification", {"id": 7, "text": "Bob", "accept": ["P"]}),
        ("huggingface", "prompt-response", {"id": 7, "instruction": "Bob?", "output": "Yes."}),
        ("huggingface", "entities", {"id": 7, "tokens": ["Bob"], "ner_tags": ["B-P"]}),
    ],
)
def test_null_means_absent_in_every_format(tmp_path: Path, name: str, kind: str, row: dict) -> None:
    """The same record with every other known column at null reads the same; a number is an id like its digits."""
    others = (
        "item_id",
        "label",
        "labels",
        "entities",
        "cats",
        "relations",
        "passage",
        "prompt",
        "response",
        "accept",
        "answer",
    )
    nulls = dict.fromkeys((*others, "annotator", "_annotator_id", "created_at", "meta", "data", "spans", "details", "text"))
    rows = [row, {**nulls, **row}, {**row, "id": "7"}, {**row, "id": 7.0, "annotator": None}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in rows), encoding="utf-8")
    plain, with_nulls, as_text, as_float = read_labels(path, name, kind, Losses())
    assert plain.item_id == "7"
    assert (with_nulls.item_id, with_nulls.text, with_nulls.label) == ("7", plain.text, plain.label)
    assert as_text == as_float == plain


@pytest.mark.parametrize("blank", ["", "  ", "\u200b\n"])
@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("doccano", {"text": "Why?", "label": ["{}"]}),
        ("huggingface", {"prompt": "Why?", "response": "{}"}),
        ("huggingface", {"prompt": "{}", "response": "So."}),
    ],
)
def test_blank_answers_are_refused_like_empty_ones(tmp_path: Path, name: str, row: dict, blank: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row).replace("{}", json.dumps(blank)[1:-1]), encoding="utf-8")
    with pytest.raises(RecordError, match="is empty"):
        list(read_labels(path, name, "prompt-response", Losses()))


def test_a_blank_cell_of_a_table_is_no_answer(tmp_path: Path) -> None:
    found, losses = read(tmp_path, "csv", "prompt-response", "prompt,response", "Why?,So.", "When?,   ", "Who?,")
    assert len(found) == 1
    assert losses.records == {"it has no response": 2}


# Label Studio


def studio_task(data: dict, *results: list, **annotation: object) -> dict:
    return {"id": 7, "data": data, "annotations": [{"id": 9, "completed_by": 1, "result": r, **annotation} for r in results]}


def studio_region(name: str, kind: str, **value: object) -> dict:
    return {"id": f"r{value.get('start', name)}", "from_name": name, "to_name": "review", "type": kind, "value": value}


def test_label_studio_entities_of_any_project(tmp_path: Path) -> None:
    marks = [
        studio_region("ner", "labels", start=0, end=3, text="Zoë", labels=["PER", "GUEST"]),
        studio_region("ner", "labels", start=10, end=13, text="Bob", labels=["PER"]),
        studio_region("ner", "labels", start=4, end=5, text="😀", labels=[]),
        studio_region("mood", "choices", choices=["good"]),
        {"type": "relation", "from_id": "r0", "to_id": "r10", "direction": "left", "labels": ["met"]},
        {"type": "relation", "from_id": "r0", "to_id": "r10", "direction": "right", "labels": []},
    ]
    task = studio_task({"review": TEXT, "shop": "Ost"}, marks, updated_at="2026-01-02T03:04:05Z")
    declined = studio_task({"review": TEXT}, [], was_cancelled=True)
    path = tmp_path / "export.json"
    path.write_text(json.dumps([task, declined, {"id": 8, "data": {"review": TEXT}}], indent=1), encoding="utf-8")
    losses = Losses()
    [item] = read_labels(path, "label-studio", "entities", losses)
    regions = (Region("r0", 0, 3, "PER"), Region("r0-1", 0, 3, "GUEST"), Region("r10", 10, 13, "PER"))
    assert item.label == Entities(regions, (Relation("r10", "r0", "met"),))
    assert (item.item_id, item.text, item.annotator, item.meta) == ("7", TEXT, "user 1", {"shop": "Ost"})
    assert item.created_at == "2026-01-02T03:04:05Z"
    assert losses.as_json() == {
        "fields": {"field 'mood'": 1, "mark without a label": 1, "relation without a name": 1},
        "records": {"it has no label": 1, "the annotator skipped it": 1},
    }
    assert only(read(tmp_path, "label-studio", "classification", task)) == Classes(("good",))
    moved = studio_task({"text": TEXT}, [studio_region("ner", "labels", start=0, end=3, text="Bob", labels=["PER"])])
    with pytest.raises(RecordError, match="item 1: 'PER' at 0 to 3 says 'Bob'"):
        path.write_text(json.dumps([moved]))
        list(read_labels(path, "label-studio", "entities", Losses()))


def test_label_studio_answers_of_any_project(tmp_path: Path) -> None:
    """One text field answers what is shown; two are a question and its answer."""
    one = studio_task({"prompt": "Why?", "n": 3}, [studio_region("answer", "textarea", text=["So."])])
    assert only(read(tmp_path, "label-studio", "prompt-response", one)) == PromptResponse("Why?", "So.", answerable=True)
    fields = [studio_region("question", "textarea", text=["Who?"]), studio_region("answer", "textarea", text=["Bob."])]
    [item], _ = read(tmp_path, "label-studio", "prompt-response", studio_task({"text": TEXT}, fields))
    assert (item.text, item.label) == (TEXT, PromptResponse("Who?", "Bob.", answerable=True))


@pytest.mark.parametrize("passage", ["text", "context"])
def test_label_studio_answers_to_a_question_about_a_passage(tmp_path: Path, passage: str) -> None:
    data = {"question": "How?", passage: TEXT, "source": "a.txt"}
    answer = studio_region("answer", "textarea", text=["So."])
    [item], _ = read(tmp_path, "label-studio", "prompt-response", studio_task(data, [answer]))
    assert (item.text, item.label, item.meta) == (TEXT, PromptResponse("How?", "So.", answerable=True), {"source": "a.txt"})
    rewritten = [studio_region("question", "textarea", text=["Who?"]), answer]
    [item], _ = read(tmp_path, "label-studio", "prompt-response", studio_task(data, rewritten))
    assert (item.text, item.label.prompt, item.meta["question"]) == (TEXT, "Who?", "How?")


def test_label_studio_files_that_do_not_say_what_was_labelled(tmp_path: Path) -> None:
    choice = [studio_region("mood", "choices", choices=["good"])]
    both = studio_task({"title": "A", "body": "B"}, choice)
    with pytest.raises(RecordError, match="which of its data was labelled"):
        read(tmp_path, "label-studio", "classification", both)
    named = studio_task({"title": "A", "review": "B"}, choice)
    assert read(tmp_path, "label-studio", "classification", named)[0][0].text == "B", "the regions point at it"
    for broken, reason in (("[{]", "not valid JSON"), ('[{"data": 1}]', "no 'data'"), ("[1]", "expected a JSON object")):
        (tmp_path / "broken.json").write_text(broken)
        with pytest.raises(RecordError, match=reason):
            list(read_labels(tmp_path / "broken.json", "label-studio", "classification", Losses()))
    (tmp_path / "cut.json").write_text(json.dumps([named] * 3)[:-20])
    with pytest.raises(RecordError, match="item 3: not valid JSON"):
        list(read_labels(tmp_path / "cut.json", "label-studio", "classification", Losses()))


def test_label_studio_min_of_any_project(tmp_path: Path) -> None:
    """What people filled in stands between the id and the annotator."""
    end = {"annotator": 2, "annotation_id": 4, "created_at": "c", "updated_at": "u", "lead_time": 1.5}
    row = {"review": TEXT, "shop": "Ost", "id": 7, "ner": [{"start": 10, "end": 13, "text": "Bob", "labels": ["PER"]}], **end}
    (tmp_path / "min.json").write_text(json.dumps([row]))
    [item] = read_labels(tmp_path / "min.json", "label-studio-min", "entities", Losses())
    assert item.label == Entities((Region("ner-0", 10, 13, "PER"),))
    assert (item.item_id, item.annotator, item.created_at, item.meta) == ("7", "user 2", "u", {"shop": "Ost"})
    for said, classes in (("good", ("good",)), ({"choices": ["good", "long"]}, ("good", "long"))):
        found, _ = read(tmp_path, "label-studio-min", "classification", {"text": TEXT, "id": 7, "mood": said, **end})
        assert found[0].label == Classes(classes)
    found, _ = read(tmp_path, "label-studio-min", "prompt-response", {"prompt": "Why?", "id": 7, "answer": "So.", **end})
    assert found[0].label == PromptResponse("Why?", "So.", answerable=True)


STUDIO_EXPORTS = Path(__file__).parent / "label_studio_exports"
"""Written by Label Studio 1.23.2 for projects of ours (test_label_studio_exchange.py with DOYEN_WRITE_FIXTURES=1)."""


@pytest.mark.parametrize("kind", ["prompt-response", "classification", "entities", "sentiment", "coreference", "pos"])
def test_exports_of_a_real_label_studio(kind: str) -> None:
    """JSON-MIN says the same without relations and ids."""
    whole = list(read_labels(STUDIO_EXPORTS / f"{kind}.json", "label-studio", kind, Losses()))
    small = list(read_labels(STUDIO_EXPORTS / f"{kind}.min.json", "label-studio-min", kind, Losses()))
    assert {item.item_id for item in whole} == {"uid-0", "uid-1"}
    assert len({(item.item_id, item.annotator) for item in whole}) == len(whole) == len(small) >= 3
    by_key = {(item.item_id, item.annotator): item for item in whole}
    for item in small:
        other = by_key[item.item_id, item.annotator]
        assert item.text == other.text
        if isinstance(item.label, PromptResponse | Classes):
            assert item.label == other.label
        else:
            places = [[(r.start, r.end, r.label) for r in found.label.stretches()] for found in (item, other)]
            assert places[0] == places[1] != []


def test_the_smallest_export_of_label_studio(tmp_path: Path) -> None:
    value = {"start": 0, "end": 5, "text": "Peter", "labels": ["PER"]}
    region = {"value": value, "id": "gew3", "from_name": "label", "to_name": "text", "type": "labels", "origin": "manual"}
    annotation = {"id": 9, "completed_by": 1, "result": [region], "was_cancelled": False}
    (tmp_path / "x.json").write_text(
        json.dumps([{"id": 1, "annotations": [annotation], "data": {"text": "Peter works in Oslo."}}])
    )
    [item] = read_labels(tmp_path / "x.json", "label-studio", "entities", Losses())
    assert item.label == Entities((Region("gew3", 0, 5, "PER"),))
