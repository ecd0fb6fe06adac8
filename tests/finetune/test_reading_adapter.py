"""General reading: contexts of encyclopaedia paragraphs, the adapter trained on them, and domains that go on from it."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file
from support.command_line import run_doyen
from support.stopped import StopAfter, Stopped

from doyen.core.errors import IncompatibleError, InputError, NotFoundError
from doyen.core.records import REFUSAL
from doyen.finetune.dataset import build_dataset
from doyen.finetune.general_reading import read_paragraphs, replayed_examples
from doyen.finetune.reading_adapter import find_reading_adapter, shipped_adapter
from doyen.finetune.registry import GENERAL_READING, GENERATOR, WEIGHTS, Registry
from doyen.finetune.train import train_adapter
from doyen.finetune.train_general_reading import contexts_of, train_general_reading


@pytest.fixture
def registry(tiny_workspace, store):
    return Registry(tiny_workspace, store)


@pytest.fixture
def general(tiny_workspace, store, general_paragraphs):
    def train(reporter=None, **going_on):
        return train_general_reading(tiny_workspace, store, general_paragraphs, reporter=reporter, **going_on)

    return train


def test_paragraphs_of_an_article_share_a_context_and_nothing_is_refused(general_paragraphs):
    read = read_paragraphs(general_paragraphs)
    contexts = contexts_of(read, seed=1, number=0)
    asked = Counter(example.pair_id for context in contexts for example in context.examples)
    answered = [query.id for item in read for query in item.queries if query.answers]
    assert asked == dict.fromkeys(answered, 1)
    for context in contexts:
        assert len({passage.source for passage in context.passages}) == 1
        assert 1 <= len(context.passages) <= 3
        for example in context.examples:
            assert example.response != REFUSAL
            assert any(example.response in passage.text for passage in context.passages)
    assert contexts_of(read, seed=1, number=0) == contexts
    assert contexts_of(read, seed=1, number=1) != contexts


def test_the_answer_that_most_people_marked_is_learnt(general_paragraphs):
    examples = [each for context in contexts_of(read_paragraphs(general_paragraphs), 1, 0) for each in context.examples]
    assert {each.response for each in examples if each.pair_id == "3-2-a"} == {"1932"}


def test_general_examples_are_drawn_also_from_an_article_of_one_paragraph(general_paragraphs):
    read = read_paragraphs(general_paragraphs)[4:]  # one paragraph of the first article
    drawn = replayed_examples(read, 40, seed=1, number=0)
    assert len(drawn) == 40
    assert drawn == replayed_examples(read, 40, seed=1, number=0) != replayed_examples(read, 40, seed=1, number=1)
    assert {example.answers for example in drawn} == {True, False}
    assert len(replayed_examples(read, 10_000, seed=1, number=0)) < 10_000
    for example in drawn:
        assert example.span is None or example.passage[slice(*example.span)] not in example.question


def test_squads_own_form_is_read_alike(general_paragraphs, tmp_path):
    lines = [json.loads(line) for line in general_paragraphs.read_text().splitlines()]
    articles: dict[str, list] = {}
    for line in lines:
        asked = [
            {
                "id": query["id"],
                "question": query["question"],
                "answers": [{"text": answer, "answer_start": 0} for answer in query["answers"]],
                "is_impossible": not query["answerable"],
            }
            for query in line["questions"]
        ]
        articles.setdefault(line["title"], []).append({"context": line["context"], "qas": asked})
    squad = tmp_path / "dev.json"
    squad.write_text(json.dumps({"data": [{"title": title, "paragraphs": found} for title, found in articles.items()]}))
    assert read_paragraphs(squad) == read_paragraphs(general_paragraphs)
    row = {"title": "T", "context": "one line\u2028 of text", "questions": []}
    squad.with_suffix(".jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [each.text for each in read_paragraphs(squad.with_suffix(".jsonl"))] == [row["context"]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", b'{"rows": []}'),
        ("x.jsonl", b'{"title": "A"}\n'),
        ("x.json", b"\xff"),
        ("x.jsonl", b"\xff"),
        ("gone.json", None),
    ],
)
def test_a_file_in_another_form_is_told(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_paragraphs(tmp_path / name)


def test_a_general_adapter_is_trained_resumed_and_not_taken_for_one_of_a_domain(general, registry, tiny_workspace):
    whole = general()
    digest = (whole.folder / WEIGHTS).read_bytes()
    assert (whole.ref, whole.kind) == ("general-reading:1", GENERAL_READING)
    assert general() == whole
    assert registry.list(kind=GENERATOR) == []
    with pytest.raises(InputError, match="general-reading"):
        registry.require_kind("general-reading", GENERATOR)
    registry.delete(whole.ref)
    with pytest.raises(Stopped):
        general(StopAfter(1))
    assert (general(StopAfter(10_000)).folder / WEIGHTS).read_bytes() == digest
    assert not list((tiny_workspace.adapters_folder / ".runs").glob("*"))


def test_a_general_adapter_is_trained_further_on_other_contexts(general, general_paragraphs):
    first = general()
    training = read_paragraphs(general_paragraphs)
    assert contexts_of(training, 17, 1) != contexts_of(training, 17, 0)
    further = general(start=first.folder, seen=1)
    assert further.ref == "general-reading:2", "another start is another training"
    assert further.manifest["inputs"] | {"start": None, "seen": 0} == first.manifest["inputs"]
    assert further.manifest["losses"][0] < first.manifest["losses"][0], "it begins where the first one ended"
    assert general(start=first.folder, seen=1) == further


def test_a_domain_goes_on_from_the_general_adapter(general, registry, tiny_workspace, store, domain, retriever):
    dataset = build_dataset(tiny_workspace, store, domain, name="service")

    def train(**changes):
        settings = tiny_workspace.settings.finetune.model_copy(update={"learning_rate": 1e-9, "epochs": 0.1, **changes})
        return train_adapter(tiny_workspace, store, dataset, retriever, name="tiny", settings=settings)

    fresh = train()
    assert fresh.manifest["parent"] is None
    parent = general()
    tuned = train()
    assert tuned.manifest["parent"] == parent.ref
    assert tuned.ref != fresh.ref, "another start is another training"
    before, after = load_file(parent.folder / WEIGHTS), load_file(tuned.folder / WEIGHTS)
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in before), "a rate of nothing changes nothing"
    assert train(start_from="none").ref == fresh.ref
    assert train(start_from=parent.ref).ref == tuned.ref
    with pytest.raises(NotFoundError, match="nobody"):
        train(start_from="nobody")


def test_the_shipped_adapter_fits_the_packaged_model_alone(registry, general, generator_sha256):
    shipped = shipped_adapter()
    assert shipped is not None
    assert shipped.base_sha256 == generator_sha256
    assert find_reading_adapter(registry, lambda adapter: adapter.base_sha256 == generator_sha256, None) == shipped
    assert find_reading_adapter(registry, lambda _: True, "none") is None
    assert find_reading_adapter(registry, lambda _: True, shipped.ref) == shipped, "as an adapter's parent names it"
    assert find_reading_adapter(registry, lambda _: False, None) is None
    with pytest.raises(NotFoundError, match="reader_adapter names no adapter: there is no adapter 'nobody'"):
        find_reading_adapter(registry, lambda _: True, "nobody")
    with pytest.raises(IncompatibleError, match="general-reading"):
        find_reading_adapter(registry, lambda _: False, "general")
    own = general()
    assert find_reading_adapter(registry, lambda adapter: adapter.base_sha256 == own.base_sha256, None) == own
    with pytest.raises(IncompatibleError, match=own.ref):
        find_reading_adapter(registry, lambda adapter: adapter.base_sha256 == generator_sha256, own.ref)


@pytest.fixture
def generator_sha256():
    from doyen.core.models.resolve import PACKAGED_GENERATORS, resolve_generator

    name = next(iter(PACKAGED_GENERATORS))
    return resolve_generator(name).sha256


def test_the_command_trains_one_and_says_before_how_long_it_takes(tiny_workspace, registry, general_paragraphs):
    workspace = ("--workspace", tiny_workspace.root)
    outcome = run_doyen("train", "--general-reading", general_paragraphs, *workspace)
    assert outcome.code == 0, outcome.err
    assert "general-reading:1" in outcome.out
    assert "--mode rag-reading" in outcome.out
    assert re.search(
        r"training general-reading: \d+ steps, .*, about [\d.]+ (s|min|h), at most [\d.]+ GB of memory", outcome.err
    )
    assert registry.get("general-reading").kind == GENERAL_READING
    for wrong in (
        [],
        ["service", "--general-reading", general_paragraphs],
        ["--reader", "--general-reading", general_paragraphs],
    ):
        refused = run_doyen("train", *wrong, *workspace)
        assert refused.code != 0
        assert "name a dataset" in refused.err


def test_general_reading_from_a_file_that_is_not_there_is_a_sentence(tiny_workspace, tmp_path):
    outcome = run_doyen("train", "--general-reading", tmp_path / "gone.json", "--workspace", tiny_workspace.root)
    assert outcome.code == 2
    assert "does not exist: name a file of paragraphs" in outcome.err


def test_a_name_cannot_be_taken_by_another_kind_of_adapter(general, tiny_workspace, store, domain, retriever):
    general()
    dataset = build_dataset(tiny_workspace, store, domain, name="service")
    with pytest.raises(InputError, match="names general reading adapters"):
        train_adapter(tiny_workspace, store, dataset, retriever, name="general-reading")
