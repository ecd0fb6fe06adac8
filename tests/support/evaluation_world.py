"""A small world for evaluations: documents, an assistant that answers from a script, a retriever over word overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from doyen.core.access import OWNER, Access
from doyen.core.answers import Answer, Citation, Passage, Timings, Usage
from doyen.core.records import REFUSAL, Question, Turn
from doyen.core.settings import EvalSettings, Settings
from doyen.core.text import words
from doyen.eval.report import Report
from doyen.eval.run import run_evaluation
from doyen.finetune.forgetting import FORGETTING
from doyen.finetune.forgetting.forgetting_card import Before, forgetting_of
from doyen.finetune.forgetting.forgetting_probe import ProbeScores, probe_rows
from doyen.finetune.registry import Adapter

DOCUMENTS = {
    "pumps.md": [
        "The sample pump runs for 4,000 hours. Replace the diaphragm with kit QC-10.",
        "Tighten the four screws to 2.5 Nm, crosswise.",
    ],
    "warranty.md": ["The warranty lasts 24 months from delivery.", "Wear parts are excluded from the warranty."],
}


def passages() -> list[Passage]:
    """All chunks of the documents, with exact offsets."""
    found = []
    for source, chunks in DOCUMENTS.items():
        start = 0
        for number, text in enumerate(chunks):
            found.append(Passage(f"{source}-{number}", source, "v1", source, start, start + len(text), None, "", 0.0, text, {}))
            start += len(text) + 1
    return found


def make_questions() -> list[Question]:
    """Six questions: seen and unseen documents, a follow-up, one with two references, two unanswerable."""
    rows = [
        ("q1", "How long does the pump run?", ["4,000 hours"], "pumps.md", ["runs for 4,000 hours"], ["unseen-document"], []),
        (
            "q2",
            "Which torque for its screws?",
            ["2.5 Nm", "2.5 Nm crosswise"],
            "pumps.md",
            ["to 2.5 Nm"],
            ["unseen-document"],
            [],
        ),
        ("q3", "How long is the warranty?", ["24 months"], "warranty.md", ["lasts 24 months"], ["seen-document"], []),
        (
            "q4",
            "And wear parts?",
            ["They are excluded."],
            "warranty.md",
            ["Wear parts are excluded"],
            ["seen-document", "follow-up"],
            [Turn(role="user", content="How long is the warranty?"), Turn(role="assistant", content="24 months.")],
        ),
        ("q5", "What does the pump cost?", [REFUSAL], None, [], ["unanswerable"], []),
        ("q6", "Who invented the pump?", [REFUSAL], None, [], ["unanswerable"], []),
    ]
    return [
        Question(
            id=name, question=text, answers=answers, source=source, evidence=evidence, tags=tags, history=history,
            answerable=source is not None,
        )
        for name, text, answers, source, evidence, tags, history in rows
    ]  # fmt: skip


def many_questions(copies: int) -> list[Question]:
    """The six questions, each so many times in its own words: enough for figures that decide."""
    return [
        question.model_copy(update={"id": f"{question.id}-{copy}", "question": f"{question.question} Case {copy}."})
        for copy in range(copies)
        for question in make_questions()
    ]


class OverlapRetriever:
    """Ranks chunks by shared words."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = (), access: Access = OWNER) -> list[Passage]:
        self.asked.append(query)
        wanted = set(words(query))
        ranked = sorted(passages(), key=lambda item: -len(wanted & set(words(item.text))))
        return ranked[:k]


class ScriptedAssistant:
    """Answers by a rule: base knows nothing, rag copies a passage, finetune knows answers, hybrid cites and refuses.

    Attributes:
        asked: (mode, question) of every call.
        stop_after: number of answers after which it raises what ``stop`` gives.
    """

    def __init__(self, questions: Sequence[Question], *, stop_after: int | None = None) -> None:
        self.questions = {question.question: question for question in questions}
        self.asked: list[tuple[str, str]] = []
        self.stop_after = stop_after
        self.stop: Callable[[], BaseException] = KeyboardInterrupt
        self.retriever = OverlapRetriever()

    def ask(
        self, question: str, mode: str, *, history: Sequence[Turn] = (), adapter: str | None = None, record: bool = True
    ) -> Answer:
        assert record is False, "an evaluation must leave no rows in the store"
        if self.stop_after is not None and len(self.asked) >= self.stop_after:
            raise self.stop()
        self.asked.append((mode, question))
        known = self.questions[question]
        shown = self.retriever.retrieve(question, 3) if mode in {"rag", "hybrid"} else []
        text = {"base": "I am a language model.", "rag": shown[0].text if shown else "", "finetune": known.answers[0]}.get(mode)
        if mode == "hybrid":
            text = known.answers[0] if known.answerable else REFUSAL
        if mode == "finetune" and not known.answerable:
            text = "About 900 euros."
        refused = text == REFUSAL
        return Answer(
            question=question,
            answer=str(text),
            mode=mode,  # type: ignore[arg-type]
            model="scripted",
            adapter=adapter if mode in {"finetune", "hybrid"} else None,
            abstained=refused,
            citations=[] if refused else cited(known, shown),
            passages=shown,
            usage=Usage(100 * (1 + len(shown)), len(str(text).split())),
            timings=Timings(0.01, 0.1 + 0.01 * len(self.asked), 0.5 + 0.01 * len(self.asked)),
            finish_reason="stop",
            answer_id=f"a{len(self.asked)}",
        )


def cited(question: Question, shown: Sequence[Passage]) -> list[Citation]:
    """Cite the evidence where it was shown, else the whole first passage."""
    for marker, passage in enumerate(shown, start=1):
        for quote in question.evidence:
            if quote in passage.text and passage.source == question.source:
                start = passage.start + passage.text.index(quote)
                return [Citation(marker, passage.chunk_id, passage.source, start, start + len(quote), None, quote)]
    return [Citation(1, p.chunk_id, p.source, p.start, p.end, None, p.text) for p in shown[:1]]


def embed(texts: Sequence[str]) -> np.ndarray:
    """Hash words into 64 places: equal texts are equal vectors, shared words bring texts closer."""
    vectors = np.zeros((len(texts), 64), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in words(text) or ("",):
            vectors[row, sum(map(ord, word)) % 64] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def registered(ref: str, fingerprint: str | None = None) -> Adapter:
    """Return an adapter ("name:version") as a registry gives it, with a fingerprint of its own where none is named.

    Its training has changed nothing of what the probe asks.
    """
    name, version = ref.split(":")
    scores = ProbeScores({row.id: 0.5 for row in probe_rows()}, {f"text-{number}": 3.0 for number in range(12)})
    kept = forgetting_of(Before(scores, None), scores)
    manifest = {"fingerprint": fingerprint or f"weights of {ref}", FORGETTING: kept}
    return Adapter(name, int(version), Path("none"), "base", "0" * 64, "candidate", "d", manifest)


def evaluate_small_world(
    questions: Sequence[Question], out: Path, adapter: str, assistant: ScriptedAssistant | None = None
) -> Report:
    """Evaluate an adapter on questions of this world that its dataset kept out."""
    return run_evaluation(
        assistant or ScriptedAssistant(questions),
        None,
        questions,
        modes=("rag", "hybrid"),
        out=out,
        settings=Settings(name="small", eval=EvalSettings(bootstrap_samples=400)),
        manifest_inputs={"index": "i1"},
        adapter=adapter,
        adapter_fingerprint=registered(adapter).manifest["fingerprint"],
        excluded={question.asked_hash for question in questions},
    )
