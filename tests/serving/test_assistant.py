"""The assistant with small fakes for engine and retriever, and the real registry and store."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import pytest
from sqlalchemy import select

from doyen.core.answers import Answer, Citation, Extract, Passage
from doyen.core.assistant_profile import AssistantProfile
from doyen.core.errors import IncompatibleError, IndexMissing, InputError, NotFoundError, PromptTooLong
from doyen.core.records import REFUSAL, Turn
from doyen.core.settings import Settings
from doyen.core.store.schema import AnswerRow
from doyen.finetune.registry import Registry
from doyen.platform.cli.ask_command import format_answer
from doyen.platform.serving.assistant import Assistant, LazyRetriever, open_assistant
from doyen.platform.serving.engines import Generation
from doyen.platform.serving.sampling import Sampling
from doyen.platform.serving.verifier import Judgement
from doyen.retrieval.reading.findings import Finding, Findings
from doyen.retrieval.tokens import likeness

TEXT = "Tighten the head screws crosswise to 2.1 Nm in two passes. Wear gloves."
PASSAGES = [
    Passage("c1", "d1", "v1", "pump.md", 0, len(TEXT), None, "Assembly", 0.9, TEXT, {"dense": 0.7}),
    Passage("c2", "d2", "v1", "lamp.md", 10, 40, 3, "", 0.5, "The lamp lasts 4,000 operating.", {"dense": 0.2}),
]


@dataclass
class FakeEngine:
    """Says what it is told to, in pieces of three characters."""

    text: str = "2.1 Nm, crosswise in two passes."
    base_sha256: str = "a" * 64
    model: str = "fake"
    window: int = 10_000
    requests: list = field(default_factory=list)
    finish_reason: str = "stop"
    closed: bool = False
    cancelled: bool = False

    def stream(self, request):
        self.requests.append(request)
        prompt = sum(len(message["content"]) for message in request.messages)
        if prompt > self.window:
            raise PromptTooLong("too long: ask shorter")
        try:
            for start in range(0, len(self.text), 3):
                yield self.text[start : start + 3]
        except GeneratorExit:
            self.cancelled = True
            raise
        yield Generation(self.text, self.finish_reason, prompt, 9)

    def close(self):
        self.closed = True


@dataclass
class FakeRetriever:
    passages: list[Passage]
    queries: list = field(default_factory=list)

    def retrieve(self, query, k, *, exclude_documents=(), access=None):
        self.queries.append((query, k))
        return [passage for passage in self.passages if passage.document_id not in exclude_documents][:k]


class LikeSentences(FakeRetriever):
    """Finds the passages, and with a sentence of theirs those of older versions too."""

    def retrieve(self, query, k, *, exclude_documents=(), access=None):
        found = super().retrieve(query, k, exclude_documents=exclude_documents, access=access)
        return [passage for passage in found if not passage.superseded_by or likeness(query, passage.text) > 0.5]


@pytest.fixture
def parts(workspace, store):
    engine, retriever = FakeEngine(), FakeRetriever(list(PASSAGES))
    registry = Registry(workspace, store)
    settings = Settings(name="test", serving={"reader": "none"})
    return Assistant(retriever, engine, registry, store, settings, state=workspace.state), engine, retriever


def add_adapter(assistant: Assistant, folder: Path, name="legal", base="a" * 64, created="2025-01-01"):
    folder.mkdir(exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(b"")
    manifest = {"inputs": {"base": base}, "created_at": created}
    adapter = assistant.registry.register(name, folder, base_model="fake", dataset_id="set", manifest=manifest)
    shutil.rmtree(folder)
    return adapter


def test_rag_answers_with_citations_and_is_recorded(parts, store):
    assistant, engine, _ = parts
    answer = assistant.ask("  What torque do the head screws get? ", "rag")
    assert answer.answer == engine.text
    assert not answer.abstained
    assert answer.passages == PASSAGES
    assert answer.citations
    for citation in answer.citations:
        passage = PASSAGES[citation.marker - 1]
        place = citation.start - passage.start
        assert passage.text[place : place + len(citation.quote)] == citation.quote
    shown = engine.requests[0].messages[-1]["content"]
    assert all(passage.text in shown for passage in PASSAGES)
    with store.session() as session:
        row = session.scalars(select(AnswerRow)).one()
    assert (row.answer_id, row.question, row.answer, row.mode) == (answer.answer_id, answer.question, answer.answer, "rag")
    assert row.passages[0]["text"] == TEXT


def test_json_is_the_contract(parts):
    assistant, _, _ = parts
    value = json.loads(json.dumps(assistant.ask("Torque?", "rag").public_json()))
    assert list(value) == [
        *(
            "question",
            "answer",
            "mode",
            "mode_reason",
            "model",
            "adapter",
            "abstained",
            "support",
            "citations",
            "sentences",
            "usage",
            "timings",
        ),
        *("finish_reason", "answer_id", "probability", "query", "other_versions", "profile"),
    ]
    assert set(value["usage"]) == {"prompt_tokens", "completion_tokens"}
    assert set(value["timings"]) == {"retrieve_s", "first_token_s", "total_s"}
    assert set(value["citations"][0]) == {field.name for field in fields(Citation)}
    assert value["timings"]["retrieve_s"] <= value["timings"]["first_token_s"] <= value["timings"]["total_s"]


def test_rag_short_differs_from_rag_in_its_prompt_alone(parts):
    assistant, engine, _ = parts
    answers = [assistant.ask("Torque?", mode) for mode in ("rag", "rag-short")]
    assert [answer.mode for answer in answers] == ["rag", "rag-short"]
    assert answers[0].passages == answers[1].passages == PASSAGES
    usual, short = (request.messages for request in engine.requests)
    assert "shortest" in short[0]["content"]
    assert "shortest" not in usual[0]["content"]
    assert short[1:] == usual[1:]
    assert engine.requests[1].adapter is None


def test_profile_and_sampling_reach_the_engine_and_the_answer_says_which_profile(parts, store):
    assistant, engine, _ = parts
    usual = assistant.ask("Torque of the PX-90?", "rag")
    assert usual.profile == ""
    assistant.profile = AssistantProfile(instructions="Name the manual.", glossary={"PX-90": "the pump"})
    drawn = Sampling(0.7, 5, ("END",), {"type": "object"})
    answer = assistant.ask("Torque of the PX-90?", "rag", sampling=drawn, instructions="In French.")
    assert answer.profile == assistant.profile.version != ""
    before, now = engine.requests
    assert now.messages[0]["content"] == before.messages[0]["content"] + "\n\nName the manual.\nIn French."
    assert now.messages[1]["content"].endswith("PX-90: the pump\nQuestion: Torque of the PX-90?")
    assert (now.temperature, now.seed, now.stop, now.json_schema) == (0.7, 5, ("END",), {"type": "object"})
    assert (before.temperature, before.seed, before.stop, before.json_schema) == (0.0, 0, (), None)


def test_the_older_value_is_looked_up_by_the_cited_sentence(parts):
    assistant, _, _ = parts
    newest = replace(PASSAGES[0], source="pump_rev_C.md", revision="Revision C")
    older = TEXT.replace("2.1 Nm", "1.4 Nm")
    superseded = replace(newest, source="pump_rev_B.md", text=older, revision="Revision B", superseded_by="pump_rev_C.md")
    assistant._retriever = LikeSentences([newest, PASSAGES[1], superseded])
    answer = assistant.ask("Torque?", "rag")
    assert [citation.source for citation in answer.citations] == ["pump_rev_C.md"]
    assert [(each.quote, each.superseded_by, each.marker) for each in answer.other_versions] == [
        ("Tighten the head screws crosswise to 1.4 Nm in two passes.", "pump_rev_C.md", 1)
    ]
    assert [query for query, _ in assistant._retriever.queries] == ["Torque?", answer.citations[0].quote]
    assert assistant.ask("Torque?", "rag", passages=[newest]).other_versions == []
    assert len(assistant._retriever.queries) == 2


def test_base_needs_no_index_and_cites_nothing(parts):
    assistant, engine, retriever = parts
    answer = assistant.ask("Torque?", "base")
    assert (answer.passages, answer.citations, answer.adapter, retriever.queries) == ([], [], None, [])
    assert engine.requests[0].adapter is None


@pytest.mark.parametrize("mode", ["base", "rag", "rag-short"])
def test_a_greeting_gets_a_reply_from_no_model_and_no_document(parts, mode):
    assistant, engine, retriever = parts
    *pieces, answer = assistant.stream("Hello there!", mode)
    assert "".join(pieces) == answer.answer
    assert "documents" in answer.answer
    assert (answer.abstained, answer.passages, answer.citations, answer.mode) == (False, [], [], mode)
    assert (engine.requests, retriever.queries) == ([], [])


def test_a_greeting_needs_no_index_but_a_mode_that_exists(workspace, store):
    def no_index():
        raise IndexMissing("no index: run `doyen ingest`")

    assistant = Assistant(LazyRetriever(no_index), FakeEngine(), Registry(workspace, store), store, workspace.settings)
    assert assistant.ask("Hi", "rag").answer.startswith("Hello")
    with pytest.raises(NotFoundError):
        assistant.ask("Hi", "magic")


@pytest.mark.parametrize("reason", ["length", "repetition"])
def test_how_an_answer_ended_is_told(parts, reason):
    assistant, engine, _ = parts
    engine.finish_reason = reason
    answer = assistant.ask("Torque?", "rag")
    assert answer.public_json()["finish_reason"] == answer.finish_reason == reason
    assert len(format_answer(answer).splitlines()) == len(format_answer(replace(answer, finish_reason="stop")).splitlines()) + 1


@pytest.mark.parametrize(
    ("text", "support"),
    [("2.1 Nm.", "supported"), ("9.9 Nm.", "number_not_found"), ("Wear gloves.", "not_checked"), (REFUSAL, "not_checked")],
)
def test_figures_are_checked_against_the_citations_and_the_verdict_is_stored(parts, store, text, support):
    assistant, engine, _ = parts
    engine.text = text
    answer = assistant.ask("What torque do the head screws get?", "rag")
    assert answer.public_json()["support"] == answer.support == support
    assert all(
        citation["support"] == citation_support
        for citation, citation_support in zip(answer.public_json()["citations"], [support] * len(answer.citations), strict=True)
    )
    with store.session() as session:
        assert session.scalars(select(AnswerRow)).one().support == support
    assert ("check the number" in format_answer(answer)) == (support == "number_not_found")


def test_doubtful_sentences_are_told_one_by_one(parts):
    assistant, engine, _ = parts
    engine.text = (
        "Tighten the head screws to 2.1 Nm. Bananas are yellow, as everybody knows. The lamp lasts 5,000 operating hours."
    )
    answer = assistant.ask("What torque do the head screws get, and how long does the lamp last?", "rag")
    assert [sentence.mark for sentence in answer.sentences] == ["supported", "not_found", "number_differs"]
    assert answer.support == "number_not_found"
    lines = format_answer(answer).splitlines()
    assert "  (no passage says this: “Bananas are yellow, as everybody knows.”)" in lines
    assert [line for line in lines if "check the number" in line and "“The lamp lasts 5,000 operating hours.”" in line]
    assert len([line for line in lines if line.startswith("  (")]) == 2


@pytest.mark.parametrize(
    ("question", "mode", "text"), [("Hi", "rag", ""), ("Torque?", "rag", REFUSAL), ("Torque?", "base", "9 Nm.")]
)
def test_what_is_not_checked_has_no_marks(parts, question, mode, text):
    assistant, engine, _ = parts
    engine.text = text
    assert assistant.ask(question, mode).sentences == []


@dataclass
class FakeReader:
    """Finds the same words in the first passage, whatever is asked."""

    words: str
    probability: float | None = None

    def find(self, question, passages):
        start = passages[0].text.index(self.words)
        sentence = (0, passages[0].text.index("Wear") - 1)
        finding = Finding(passages[0], start, start + len(self.words), sentence, 0.9, self.probability)
        return Findings(list(passages), [finding], 0.9)

    def threshold(self, risk):
        return 0.5


@pytest.mark.parametrize(
    ("question", "mark"), [("What torque do the head screws get?", "supported"), ("How heavy is the lamp?", "number_differs")]
)
def test_an_extract_is_one_sentence_whose_figures_are_checked_too(workspace, store, question, mark):
    registry = Registry(workspace, store)
    parts = FakeRetriever(list(PASSAGES)), FakeEngine("9.9 Nm."), registry, store, workspace.settings
    assistant = Assistant(*parts, open_reader=lambda: FakeReader("2.1 Nm"))
    for mode in ("extract", "rag-short"):
        answer = assistant.ask(question, mode)
        (sentence,) = answer.sentences
        assert answer.answer == "2.1 Nm"
        assert (sentence.start, sentence.end, sentence.mark) == (0, len(answer.answer), mark)
        assert (answer.support == "number_not_found") == (mark == "number_differs")
        assert sentence.citation == (answer.citations[0] if mark == "supported" else None)


@pytest.mark.parametrize(
    ("question", "generated", "given"),
    [
        ("What is tightened to 2.1 Nm?", "The head screws.", "The head screws."),
        ("What is tightened to 2.1 Nm?", "Bananas, as everybody knows.", "2.1 Nm"),  # no passage says so
        ("What torque do the head screws get?", "The head screws.", "2.1 Nm"),
    ],
)
def test_an_extract_that_repeats_the_question_replaces_no_cited_answer(workspace, store, question, generated, given):
    registry = Registry(workspace, store)
    parts = FakeRetriever(list(PASSAGES)), FakeEngine(generated), registry, store, workspace.settings
    assistant = Assistant(*parts, open_reader=lambda: FakeReader("2.1 Nm"))
    assert assistant.ask(question, "rag-short").answer == given


@pytest.mark.parametrize(("probability", "mark"), [(0.71, "supported"), (0.69, "unsure"), (0.0, "unsure")])
@pytest.mark.parametrize("mode", ["extract", "rag", "rag-short"])
def test_what_may_not_have_been_asked_is_marked_in_every_mode(workspace, store, probability, mark, mode):
    registry = Registry(workspace, store)
    parts = FakeRetriever(list(PASSAGES)), FakeEngine("2.1 Nm."), registry, store, workspace.settings
    assistant = Assistant(*parts, open_reader=lambda: FakeReader("2.1 Nm", probability))
    *_, answer = pieces = list(assistant.stream("What torque do the head screws get?", mode))
    (sentence,) = answer.sentences
    assert (sentence.mark, sentence.citation) == (mark, answer.citations[0])
    assert [piece.mark for piece in pieces if isinstance(piece, Extract)] == ([mark] if mode != "extract" else [])
    assert ("it may not be what was asked" in format_answer(answer)) == (mark == "unsure")


def test_a_generated_figure_that_the_reader_did_not_find_is_marked(workspace, store):
    registry = Registry(workspace, store)
    parts = FakeRetriever(list(PASSAGES)), FakeEngine("9.9 Nm."), registry, store, workspace.settings
    assistant = Assistant(*parts, open_reader=lambda: FakeReader("2.1 Nm", 0.9))
    assert [each.mark for each in assistant.ask("What torque do the head screws get?", "rag").sentences] != ["supported"]


def test_an_earlier_answer_does_not_vouch_for_its_figures(parts):
    assistant, engine, _ = parts
    engine.text = "Yes, order kit QC-41-0195 for 9.9 Nm."
    history = [
        Turn(role="user", content="Which kit do I order for the head screws?"),
        Turn(role="assistant", content=engine.text),
    ]
    assert assistant.ask("Is that certain?", "rag", history=history).support == "number_not_found"


def test_a_question_gives_no_proof_of_the_figure_that_it_asks_about(parts):
    assistant, engine, _ = parts
    engine.text = "Yes, the head screws get 50 Nm."
    assert assistant.ask("Do the head screws get 50 Nm?", "rag").support == "number_not_found"


def test_an_earlier_turn_tells_which_figures_of_a_refusal_are_the_persons_own(parts):
    assistant, engine, _ = parts
    engine.text = "The passages do not mention the torque of the Corvane 410."
    history = [Turn(role="user", content="How heavy is the Corvane 410?"), Turn(role="assistant", content="12 kg.")]
    assert assistant.ask("And its torque?", "rag", history=history).abstained
    assert not assistant.ask("And its torque?", "rag").abstained


def test_best_is_resolved_and_told(parts, workspace, tmp_path):
    assistant, engine, _ = parts
    answer = assistant.ask("Torque?", "best")
    assert answer.mode == answer.public_json()["mode"] == "rag"
    assert "no report" in answer.mode_reason
    assert "no report" in format_answer(answer)
    add_adapter(assistant, tmp_path / "x")
    modes = {
        "rag": {"metrics": {"token_f1": {"mean": 0.2, "n": 30}}},
        "hybrid": {"metrics": {"token_f1": {"mean": 0.4, "n": 30}}},
    }
    data = {"manifest": {"created_at": "2025"}, "adapter": "legal:1", "modes": modes}
    folder = workspace.reports_folder / "a"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(data))
    answer = assistant.ask("Torque?", "best")
    assert (answer.mode, answer.adapter) == ("hybrid", "legal:1")
    engine.base_sha256 = "c" * 64
    assert assistant.ask("Torque?", "best").mode == "rag"
    assert assistant.ask("Torque?", "rag").mode_reason is None


def test_the_stream_is_the_answer(parts):
    assistant, engine, _ = parts
    *pieces, last = assistant.stream("Torque?", "rag")
    assert isinstance(last, Answer)
    assert len(pieces) > 3
    assert "".join(pieces) == engine.text == last.answer


def test_closing_the_stream_stops_the_engine_and_records_nothing(parts, store):
    assistant, engine, _ = parts
    stream = assistant.stream("Torque?", "rag")
    next(stream)
    stream.close()
    assert engine.cancelled
    with store.session() as session:
        assert session.scalars(select(AnswerRow)).all() == []


def test_recording_can_be_turned_off(parts, store):
    assistant, _, _ = parts
    assistant.ask("Torque?", "rag", record=False)
    with store.session() as session:
        assert session.scalars(select(AnswerRow)).all() == []


@pytest.mark.parametrize(
    ("question", "mode", "error", "words"),
    [
        ("x", "magic", NotFoundError, "base, extract, rag, rag-short, rag-reading, finetune, hybrid"),
        ("  \n", "rag", InputError, "empty"),
        ("y" * 100_000, "rag", InputError, "100,000 characters"),
        ("x", "finetune", NotFoundError, "doyen train"),
        ("x", "hybrid", NotFoundError, "doyen train"),
    ],
)
def test_wrong_requests_are_told_before_anything_is_done(parts, question, mode, error, words):
    assistant, engine, retriever = parts
    with pytest.raises(error, match=words):
        assistant.ask(question, mode)
    assert (engine.requests, retriever.queries) == ([], [])


def test_adapters_are_chosen_by_name_promotion_and_age(parts, tmp_path):
    assistant, engine, _ = parts
    add_adapter(assistant, tmp_path / "x", "legal", created="2025-01-01")
    add_adapter(assistant, tmp_path / "x", "medical", created="2025-01-02")
    assert assistant.ask("x", "finetune").adapter == "medical:1"
    assistant.registry.promote("legal:1")
    assert assistant.ask("x", "hybrid").adapter == "legal:1"
    assert assistant.ask("x", "hybrid", adapter="medical").adapter == "medical:1"
    assert engine.requests[-1].adapter.name == "medical:1"
    with pytest.raises(NotFoundError, match="tax"):
        assistant.ask("x", "hybrid", adapter="tax")


def test_an_adapter_of_another_base_is_refused(parts, tmp_path):
    assistant, engine, _ = parts
    add_adapter(assistant, tmp_path / "x", base="b" * 64)
    with pytest.raises(IncompatibleError, match=r"legal:1.*fake"):
        assistant.ask("x", "finetune")
    engine.base_sha256 = ""
    assert assistant.ask("x", "finetune").adapter == "legal:1"


def test_nothing_found_is_an_honest_refusal(parts):
    assistant, engine, retriever = parts
    retriever.passages = []
    answer = assistant.ask("Torque?", "rag")
    assert (answer.answer, answer.abstained, answer.citations) == (REFUSAL, True, [])
    assert engine.requests == []


@pytest.mark.parametrize("text", ["The documents do not say", "The documents do not say anything about it.", ""])
def test_the_models_own_refusal_is_an_abstention_without_citations(parts, text):
    assistant, engine, _ = parts
    engine.text = text
    answer = assistant.ask("Torque?", "rag")
    assert (answer.answer, answer.abstained, answer.citations) == (REFUSAL, True, [])


@pytest.mark.parametrize("text", ["26", "14 %", "$1,200", "2024-05-17", "否", "\n26 \n"])
def test_figures_and_other_scripts_are_answers(parts, text):
    assistant, engine, _ = parts
    engine.text = text
    *pieces, answer = assistant.stream("After how many weeks?", "rag")
    assert ("".join(pieces), answer.answer, answer.abstained) == (text.strip(), text.strip(), False)


@pytest.mark.parametrize("text", [" \n ", REFUSAL, "The passages do not mention the torque of the head screws."])
def test_nothing_is_shown_before_a_refusal(parts, text):
    assistant, engine, _ = parts
    engine.text = text
    *pieces, answer = assistant.stream("Torque?", "rag")
    assert (pieces, answer.answer, answer.abstained) == ([REFUSAL], REFUSAL, True)


def test_passages_are_dropped_from_the_end_until_the_prompt_fits(parts):
    assistant, engine, _ = parts
    engine.window = 10
    with pytest.raises(PromptTooLong):
        assistant.ask("Torque?", "rag")
    assert len(engine.requests) == 2
    one = sum(len(message["content"]) for message in engine.requests[-1].messages)
    engine.window = one
    answer = assistant.ask("Torque?", "rag")
    assert answer.passages == PASSAGES[:1]


def test_follow_ups_are_retrieved_as_standalone_questions(parts):
    assistant, engine, retriever = parts
    history = [Turn(role="user", content="What torque do the pump head screws get?"), Turn(role="assistant", content="2.1 Nm.")]
    assistant.ask("And in how many passes?", "rag", history=history)
    assert "pump" in retriever.queries[-1][0]
    assert engine.requests[-1].messages[-1]["content"].endswith("Question: And in how many passes?")


def test_a_missing_index_is_told_and_tried_again(parts):
    states = [IndexMissing("no index: run `doyen ingest`"), FakeRetriever(list(PASSAGES))]

    def open_index():
        state = states.pop(0)
        if isinstance(state, Exception):
            raise state
        return state

    retriever = LazyRetriever(open_index)
    with pytest.raises(IndexMissing):
        retriever.retrieve("x", 1)
    assert len(retriever.retrieve("x", 1)) == 1
    assert len(retriever.retrieve("y", 2)) == 2


@pytest.mark.model
def test_a_workspace_without_index_answers_in_base_mode(workspace, store):
    assistant = open_assistant(workspace, store)
    try:
        answer = assistant.ask("What is the capital of France?", "base", max_tokens=12)
        assert "Paris" in answer.answer
        assert answer.model == Settings().serving.model
        with pytest.raises(IndexMissing):
            assistant.ask("What is the capital of France?", "rag")
    finally:
        assistant.close()


def test_a_verifier_decides_what_is_cited(workspace, store):
    class Strict:
        def judge(self, question, passages, answer):
            assert (question, list(passages), answer) == ("Torque?", PASSAGES, FakeEngine.text)
            return Judgement("number_not_found", [])

    registry = Registry(workspace, store)
    assistant = Assistant(FakeRetriever(list(PASSAGES)), FakeEngine(), registry, store, workspace.settings, verifier=Strict())
    answer = assistant.ask("Torque?", "rag")
    assert (answer.support, answer.citations) == ("number_not_found", [])
