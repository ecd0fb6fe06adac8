"""Passages are read before an answer: mode extract, refusal by evidence, and which reader and which adapter is taken."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.tiny_reader import FACTS

from doyen.core.answers import Answer, Extract, Passage
from doyen.core.errors import ModelMissing, NotFoundError, StateError
from doyen.core.modes import MODES, PASSAGE_MODES
from doyen.core.records import REFUSAL, Turn
from doyen.core.settings import Settings
from doyen.core.store.schema import EMBEDDER
from doyen.finetune.registry import GENERAL_READING, READER, Registry
from doyen.platform.cli.ask_command import format_answer
from doyen.platform.serving.assistant import Assistant
from doyen.platform.serving.engines import Generation
from doyen.platform.serving.gateway.drafts import AssistantDrafter
from doyen.platform.serving.other_versions import SET_ASIDE
from doyen.platform.serving.reading import extract_of, find_reader, reader_opener
from doyen.retrieval.reading.findings import Finding, Findings

PASSAGES = [
    Passage(
        f"c{place}",
        f"d{place}",
        "v1",
        f"{place}.md",
        100 * place,
        100 * place + len(text),
        place + 1,
        "",
        0.9,
        text,
        {"dense": 0.5},
    )
    for place, (_, text, _) in enumerate(FACTS)
]
UNKNOWN = "Who painted the ceiling of the chapel?"


@dataclass
class Engine:
    """Says what it is told to, in pieces of three characters."""

    text: str
    model: str = "fake"
    base_sha256: str = "a" * 64
    requests: list = field(default_factory=list)

    def stream(self, request):
        self.requests.append(request)
        for start in range(0, len(self.text), 3):
            yield self.text[start : start + 3]
        yield Generation(self.text, "stop", 5, 9)

    def close(self):
        pass


@dataclass
class AllPassages:
    """Finds the first k passages, whatever is asked."""

    asked: list = field(default_factory=list)

    def retrieve(self, query, k, *, exclude_documents=(), access=None):
        self.asked.append((query, k))
        return PASSAGES[:k]


@pytest.fixture
def registry(workspace, store) -> Registry:
    return Registry(workspace, store)


def register(registry: Registry, files: Path, name: str, kind: str | None = None, created: str = "2025-01-01"):
    shaping = {"retrieval": {"embedder": "all-minilm-l6-v2"}}
    manifest = {"inputs": {"base": "a" * 64}, "created_at": created, "settings": shaping, **({"kind": kind} if kind else {})}
    return registry.register(name, files, base_model="fake", dataset_id="set", manifest=manifest)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The files of an adapter of the generator."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture
def reader_files(tiny_reader: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "reader"
    folder.mkdir()
    for path in tiny_reader.glob("reader.*"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def assistant(registry, store, reader_files, weights) -> Assistant:
    """An assistant with two adapters of the generator and a trained reader, which is newer than they are."""
    register(registry, weights, "legal")
    register(registry, weights, "general-reading", GENERAL_READING)
    register(registry, reader_files, "qa-reader", READER, created="2026-01-01")
    return assemble(registry, store, "The torque is 18 Nm.")


def assemble(
    registry: Registry, store, text: str, embedder: str = "all-minilm-l6-v2", *, keeps_found: bool = False, **serving: object
) -> Assistant:
    settings = Settings(name="test", serving=serving, retrieval={"embedder": embedder})
    opener = reader_opener(registry, settings)
    return Assistant(AllPassages(), Engine(text), registry, store, settings, open_reader=opener, keeps_found=keeps_found)


QUESTION, _, ANSWER = FACTS[1]


def test_extract_answers_with_the_span_and_cites_its_sentence(assistant):
    answer = assistant.ask(QUESTION, "extract")
    assert (answer.answer, answer.abstained, answer.adapter) == (ANSWER, False, None)
    assert answer.probability > 0.5
    assert len(answer.passages) == 3
    (citation,) = answer.citations
    passage = answer.passages[citation.marker - 1]
    assert passage.text[citation.start - passage.start : citation.end - passage.start] == citation.quote
    assert ANSWER in citation.quote
    assert passage.text[citation.span[0] - passage.start : citation.span[1] - passage.start] == ANSWER
    assert (citation.source, citation.page, citation.chunk_id) == ("1.md", 2, "c1")
    assert assistant.engine.requests == []
    assert Answer.from_json(answer.to_json()) == answer
    assert answer.public_json()["probability"] == answer.probability


def test_a_question_is_refused_where_no_passage_is_likely_enough_to_answer(assistant):
    for mode in sorted(PASSAGE_MODES):
        answer = assistant.ask(UNKNOWN, mode)
        assert (answer.answer, answer.abstained) == (REFUSAL, True)
        assert answer.probability < 0.5
        assert format_answer(answer).splitlines()[1] == "  What they say nearby:"
        assert 1 <= len(answer.citations) <= 2
        for citation in answer.citations:
            passage = answer.passages[citation.marker - 1]
            assert passage.text[citation.start - passage.start : citation.end - passage.start] == citation.quote
    assert assistant.engine.requests == []


def test_a_risk_of_one_refuses_nothing(assistant, registry, store):
    daring = assemble(registry, store, "Somebody painted it.", risk=1.0)
    assert not daring.ask(UNKNOWN, "extract").abstained
    assert daring.ask(UNKNOWN, "rag").answer == "Somebody painted it."


def test_more_passages_are_read_than_shown_and_a_follow_up_is_read_whole(assistant):
    history = [Turn(role="user", content="Tell me of the cover bolts"), Turn(role="assistant", content="They get torque.")]
    assistant.ask("And how much of it?", "extract", history=history)
    ((query, count),) = assistant._retriever.asked
    assert count == 8 + SET_ASIDE
    assert "cover bolts" in query


@pytest.mark.parametrize("reader", ["general", "none"])
def test_an_evaluation_looks_a_question_up_once_and_gets_the_same_answers(registry, store, weights, monkeypatch, reader):
    register(registry, weights, "legal")
    register(registry, weights, "general-reading", GENERAL_READING)
    slow = AllPassages()
    find = slow.retrieve
    monkeypatch.setattr(slow, "retrieve", lambda *args, **options: time.sleep(0.2) or find(*args, **options))
    modes = sorted(PASSAGE_MODES - ({"extract"} if reader == "none" else set()))
    afresh = assemble(registry, store, "The torque is 18 Nm.", reader=reader)
    keeping = assemble(registry, store, "The torque is 18 Nm.", reader=reader, keeps_found=True)
    keeping._retriever = slow
    for question in (QUESTION, UNKNOWN):
        for mode in modes:
            expected, answer = afresh.ask(question, mode), keeping.ask(question, mode)
            assert replace(answer, answer_id="", timings=expected.timings) == replace(expected, answer_id="")
            assert 0.2 <= answer.timings.retrieve_s <= answer.timings.first_token_s <= answer.timings.total_s
    assert len(slow.asked) == 2
    assert len(afresh._retriever.asked) == 2 * len(modes)


def test_without_a_reader_all_is_as_it_was(assistant, registry, store):
    plain = assemble(registry, store, "The torque is 18 Nm.", reader="none")
    pieces = list(plain.stream(UNKNOWN, "rag"))
    assert not any(isinstance(piece, Extract) for piece in pieces)
    answer = pieces[-1]
    assert (answer.answer, answer.probability, answer.passages) == ("The torque is 18 Nm.", None, PASSAGES[:3])
    assert plain._retriever.asked == [(UNKNOWN, 3 + SET_ASIDE)]
    assert plain.ask(UNKNOWN, "hybrid").answer == "The torque is 18 Nm."
    with pytest.raises(StateError, match=r'serving\.reader = "none" wants none: set it to "general"'):
        plain.ask(UNKNOWN, "extract")


@pytest.mark.parametrize("mode", ["hybrid", "rag-short"])
@pytest.mark.parametrize(
    ("generated", "given"),
    [
        (REFUSAL, ANSWER),
        ("Bananas are yellow in the south.", ANSWER),
        ("It is 99 Nm.", ANSWER),
        ("The torque of the cover bolts is 18 Nm.", "The torque of the cover bolts is 18 Nm."),
    ],
)
def test_a_short_answer_that_the_passages_do_not_carry_is_replaced_by_the_extract(assistant, mode, generated, given):
    assistant.engine.text = generated
    answer = assistant.ask(QUESTION, mode)
    assert (answer.answer, answer.abstained, answer.support) == (given, False, "supported")
    assert any(ANSWER in citation.quote for citation in answer.citations)
    assert answer.adapter == ("legal:1" if mode == "hybrid" else None)


def test_rag_says_what_the_model_says(assistant):
    assistant.engine.text = "Bananas are yellow in the south."
    assert assistant.ask(QUESTION, "rag").answer == assistant.engine.text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("question", [QUESTION, UNKNOWN, "Hello"])
@pytest.mark.parametrize("generated", ["The torque is 18 Nm.", "Bananas are yellow.", REFUSAL, "The documents don't say."])
def test_what_is_streamed_is_the_answer(assistant, mode, question, generated):
    assistant.engine.text = generated
    *pieces, answer = assistant.stream(question, mode)
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == answer.answer
    extracts = [piece for piece in pieces if isinstance(piece, Extract)]
    assert bool(extracts) == (question == QUESTION and mode in PASSAGE_MODES - {"extract"})
    if extracts:
        assert pieces[0] is extracts[0]
        assert (extracts[0].text, ANSWER in extracts[0].citation.quote) == (ANSWER, True)


@pytest.mark.parametrize("mode", ["extract", "hybrid", "rag"])
def test_given_passages_are_all_shown_in_their_order(assistant, mode):
    given = PASSAGES[::-1]
    answer = assistant.ask(QUESTION, mode, passages=given)
    assert answer.passages == given
    for citation in answer.citations:
        assert given[citation.marker - 1].source == citation.source


def test_passages_without_a_cosine_refuse_nothing(assistant):
    bare = [replace(passage, signals={}) for passage in PASSAGES]
    answer = assistant.ask(UNKNOWN, "rag", passages=bare)
    assert (answer.answer, answer.probability) == (assistant.engine.text, None)


def test_with_another_embedder_than_the_readers_nothing_is_refused(assistant, registry, store):
    other = assemble(registry, store, "Somebody painted it.", embedder="another")
    answer = other.ask(UNKNOWN, "rag")
    assert (answer.answer, answer.probability) == ("Somebody painted it.", None)


@pytest.mark.parametrize("said", ["Yes.", "No", "Yes, it is allowed."])
def test_yes_and_no_stay(assistant, said):
    assistant.engine.text = said
    assert assistant.ask(QUESTION, "hybrid").answer == said


def test_closing_the_stream_stops_an_answer_that_is_not_shown_yet(assistant, monkeypatch):
    stopped = []

    def endless(_request):
        try:
            while True:
                yield "word "
        finally:
            stopped.append(True)

    monkeypatch.setattr(assistant.engine, "stream", endless)
    stream = assistant.stream(QUESTION, "hybrid")
    assert isinstance(next(stream), Extract)
    assert next(stream) == ""
    stream.close()
    assert stopped


def test_the_first_text_is_the_extract(assistant):
    answer = assistant.ask(QUESTION, "hybrid")
    assert 0 < answer.timings.first_token_s < answer.timings.total_s


# Which reader, which adapter


def test_the_promoted_reader_is_taken_else_the_newest(assistant, registry, reader_files):
    register(registry, reader_files, "qa-reader", READER, created="2026-02-01")
    register(registry, reader_files, "other", READER, created="2025-06-01")
    assert find_reader(registry, None).ref == "qa-reader:2"
    registry.promote("other:1")
    assert find_reader(registry, None).ref == "other:1"
    assert find_reader(registry, "qa-reader:1").ref == "qa-reader:1"
    assert find_reader(registry, "general") is None
    with pytest.raises(NotFoundError, match="'legal:1' is an adapter of a generator: name a reader"):
        find_reader(registry, "legal:1")
    with pytest.raises(NotFoundError, match=r"serving\.reader names no reader: there is no adapter 'nobody'"):
        find_reader(registry, "nobody")


def test_a_reader_or_embedder_is_never_the_adapter_of_a_generator(assistant, registry, store, reader_files):
    registry.promote("qa-reader:1")
    assert assistant.ask(QUESTION, "hybrid").adapter == "legal:1"
    assert assistant.ask(QUESTION, "finetune").adapter == "legal:1"
    register(registry, reader_files, "qa-embedder", EMBEDDER, created="2027-02-01")
    with pytest.raises(NotFoundError, match="'qa-embedder:1' is an embedder: name an adapter of the generator"):
        assistant.ask(QUESTION, "hybrid", adapter="qa-embedder")
    with pytest.raises(NotFoundError, match="'qa-reader:1' is a reader: name an adapter of the generator"):
        assistant.ask(QUESTION, "hybrid", adapter="qa-reader")


def test_with_a_reader_alone_there_is_no_adapter(registry, store, reader_files):
    register(registry, reader_files, "qa-reader", READER)
    assistant = assemble(registry, store, "The torque is 18 Nm.")
    with pytest.raises(NotFoundError, match="needs an adapter and there is none"):
        assistant.ask(QUESTION, "hybrid")
    excerpt = SimpleNamespace(text=FACTS[1][1])
    draft = AssistantDrafter(assistant).answer(QUESTION, excerpt)
    assert draft is not None


def test_a_reader_whose_files_are_gone_is_a_sentence(assistant, registry, store, reader_files):
    made = register(registry, reader_files, "lost", READER)
    for path in made.folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ModelMissing, match="train it again"):
        assemble(registry, store, "", reader="lost").ask(QUESTION, "extract")


def test_a_promoted_reader_whose_files_are_gone_is_not_replaced_in_silence(assistant, registry, reader_files):
    made = register(registry, reader_files, "lost", READER, created="2027-01-01")
    registry.promote("lost:1")
    for path in made.folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ModelMissing, match="train it again"):
        assistant.ask(QUESTION, "extract")


def test_a_generated_answer_chooses_among_spans_that_score_alike():
    text = "The lid is closed with 18 Nm. The base is fixed with 24 Nm."
    passage = replace(PASSAGES[0], text=text, start=0, end=len(text))
    first, second = text.index("18 Nm"), text.index("24 Nm")
    spans = [Finding(passage, first, first + 5, (0, 29), 1.2), Finding(passage, second, second + 5, (30, len(text)), 0.9)]
    findings = Findings([passage], spans, None)
    assert extract_of(findings, [passage]).text == "18 Nm"
    chosen = extract_of(findings, [passage], "With 24 Nm.")
    assert (chosen.text, chosen.citation.quote) == ("24 Nm", "The base is fixed with 24 Nm.")
    assert extract_of(findings, [passage], "Bananas are yellow.").text == "18 Nm"
    far = Findings([passage], [replace(spans[0], score=4.0), spans[1]], None)
    assert extract_of(far, [passage], "With 24 Nm.").text == "18 Nm", "the reader is sure enough"
    assert extract_of(findings, [PASSAGES[1]], "With 24 Nm.") is None
