"""Training an embedder on a workspace's pairs: what it learns from, and that a stopped training goes on where it was."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import torch
from support.stopped import StopAfter, Stopped

from doyen.core.costs import Estimate
from doyen.core.errors import InputError
from doyen.core.progress import Silent
from doyen.core.store.schema import EMBEDDER, ChunkRow
from doyen.finetune.contrastive import Example, heading_examples, make_steps, pair_examples
from doyen.finetune.dataset import build_dataset
from doyen.finetune.embedder_training import TEMPERATURE, between, contrastive_loss
from doyen.finetune.mining import mine
from doyen.finetune.registry import Registry
from doyen.finetune.train_embedder import estimate_embedder, train_embedder
from doyen.retrieval.embedder import Embedder

WEIGHTS = "model.safetensors"


@pytest.fixture
def examples(store, domain, retriever) -> list[Example]:
    mined = mine(domain, retriever, store, passages=2, reporter=Silent(), excluded=frozenset())
    return pair_examples(mined)


def test_a_question_learns_from_the_piece_with_its_evidence_and_from_others_that_were_found(examples, domain):
    by_question = {example.query: example for example in examples}
    assert len(by_question) == sum(pair.answerable for pair in domain)
    found = by_question["Which torque for Cauvin lid screws?"]
    assert "tightened to 2.5 Nm, crosswise" in found.positive
    assert found.negatives
    assert not any(found.may_answer(piece) for piece in found.negatives)


def test_a_heading_learns_from_what_stands_below_it(store, domain):
    assert heading_examples(store, 9, 17) == []
    with store.session() as session:
        for row in session.query(ChunkRow).filter(ChunkRow.document_id == "arrel.md"):
            row.heading = "Service" if row.ordinal < 2 else f"Care > Part {row.ordinal}"
    found = {example.query: example.positive for example in heading_examples(store, 9, 17)}
    assert len(found) == 3
    assert found["arrel.md > Care > Part 3"].startswith("Before storage")
    assert len(heading_examples(store, 2, 17)) == 2


def test_pieces_that_may_answer_too_are_barred_and_epochs_differ():
    examples = [
        Example("a", "the pump has 3 bolts", ("nothing", "other"), ("3 bolts",)),
        Example("b", "all have 3 bolts", ("nothing",), ("all have",)),
        Example("c", "the pump has 3 bolts"),
    ]
    one, two = make_steps(examples, 8, 2, seed=1)
    for step in (one, two):
        places = {query: place for place, query in enumerate(step.queries)}
        assert [step.pieces[places[each.query]] for each in examples] == [each.positive for each in examples]
        barred = {(step.queries[row], step.pieces[column]) for row, column in step.barred}
        assert barred == {
            ("a", "all have 3 bolts"),
            ("a", "the pump has 3 bolts"),
            ("c", "the pump has 3 bolts"),
        }
    assert one != two
    assert make_steps(examples[:1], 8, 1, seed=1) == []


def test_the_loss_is_that_of_finding_the_own_piece():
    queries, pieces = torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    weights = np.exp(np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.8]]) / TEMPERATURE)
    expected = -np.log([weights[0, 0] / weights[0].sum(), weights[1, 1] / (weights[1, 0] + weights[1, 1])]).mean()
    assert math.isclose(contrastive_loss(queries, pieces, [(1, 2)]).item(), expected, rel_tol=1e-4, abs_tol=1e-6)
    halfway = between({"w": torch.zeros(2), "n": torch.tensor(3)}, {"w": torch.ones(2), "n": torch.tensor(3)}, 0.5)
    assert halfway["w"].tolist() == [0.5, 0.5]


@pytest.mark.model
def test_a_stopped_training_ends_with_the_weights_of_one_that_was_not(tiny_workspace, store, domain, retriever):
    frozen = build_dataset(tiny_workspace, store, domain, name="service")
    registry = Registry(tiny_workspace, store)

    def run(reporter=None, do=train_embedder):
        return do(tiny_workspace, store, frozen, retriever, name="tiny-embedder", reporter=reporter)

    estimate = run(do=estimate_embedder)
    whole = run()
    cost = whole.manifest["cost"]
    assert Estimate.from_json(cost["estimate"]) == estimate, "what was told before is what is compared"
    assert (cost["happened"]["units"], set(cost["error"])) == (4, {"seconds", "memory_mb", "prompt_tokens"})
    assert (cost["error"]["prompt_tokens"], estimate.expected.prompt_tokens > 0) == (0, True)
    with pytest.raises(InputError, match="already trained"):
        run(do=estimate_embedder)
    calls = retriever.calls
    assert run() == whole
    assert retriever.calls == calls, "nothing is mined for a training that is there"
    assert (whole.kind, whole.stage) == (EMBEDDER, "candidate")
    assert len(whole.manifest["losses"]) == whole.manifest["steps"] == 4
    assert whole.manifest["validation"]["n"] > 0
    assert whole.manifest["pairs"] == sum(pair.answerable for pair in frozen.train)
    digest = hashlib.sha256((whole.folder / WEIGHTS).read_bytes()).hexdigest()
    assert Embedder("x", whole.folder, digest).encode(["filter"]).shape == (1, 384)
    registry.delete("tiny-embedder:1")

    with pytest.raises(Stopped):
        run(StopAfter(3))
    assert registry.list(kind=EMBEDDER) == []
    resumed = StopAfter(10_000)
    again = run(resumed)
    assert "resumed" in resumed.notes
    assert again.manifest["losses"] == whole.manifest["losses"], "a trial changes no weight and no chance"
    assert hashlib.sha256((again.folder / WEIGHTS).read_bytes()).hexdigest() == digest
    assert not list((tiny_workspace.adapters_folder / ".runs").glob("*"))
