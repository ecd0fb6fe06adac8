"""Training a reader on a workspace's pairs: registered once, not repeated, resumed where it was stopped."""

from __future__ import annotations

import hashlib

import pytest
from support.stopped import StopAfter, Stopped

from doyen.core.costs import Estimate
from doyen.core.errors import InputError
from doyen.finetune.dataset import build_dataset
from doyen.finetune.registry import GENERATOR, READER, Registry
from doyen.finetune.train_reader import estimate_reader, train_reader
from doyen.retrieval.reading.reader_files import WEIGHTS

pytestmark = pytest.mark.model


@pytest.fixture
def run(tiny_workspace, store, domain, retriever):
    dataset = build_dataset(tiny_workspace, store, domain, name="service")

    def train(reporter=None, name="tiny-reader", replay=None, do=train_reader):
        return do(tiny_workspace, store, dataset, retriever, name=name, replay=replay, reporter=reporter)

    return train


def test_a_stopped_training_ends_with_the_weights_of_one_that_was_not_and_is_not_repeated(
    run, tiny_workspace, store, retriever, general_paragraphs
):
    registry = Registry(tiny_workspace, store)
    estimate = run(do=estimate_reader)
    whole = run()
    card = (whole.folder / "README.md").read_text(encoding="utf-8")
    assert (f"- examples: {whole.manifest['examples']}\n" in card, "peft\n" in card) == (True, False)
    cost = whole.manifest["cost"]
    assert Estimate.from_json(cost["estimate"]) == estimate, "what was told before is what is compared"
    assert (cost["happened"]["units"], set(cost["error"])) == (
        whole.manifest["steps"],
        {"seconds", "memory_mb", "prompt_tokens"},
    )
    assert (cost["error"]["prompt_tokens"], estimate.expected.prompt_tokens > 0) == (0, True)
    with pytest.raises(InputError, match="already trained"):
        run(do=estimate_reader)
    calls = retriever.calls
    assert run() == whole
    assert retriever.calls == calls, "nothing is mined for a training that is there"
    assert whole.kind == READER
    with pytest.raises(InputError, match="tiny-reader"):
        registry.require_kind("tiny-reader", GENERATOR)
    assert len(whole.manifest["losses"]) == whole.manifest["steps"] >= 2
    digest = hashlib.sha256((whole.folder / WEIGHTS).read_bytes()).hexdigest()
    registry.delete("tiny-reader:1")

    with pytest.raises(Stopped):
        run(StopAfter(1))
    assert registry.list(kind=READER) == []
    resumed = StopAfter(10_000)
    again = run(resumed)
    assert again.manifest["losses"] == whole.manifest["losses"], "a trial changes no weight and no chance"
    assert "cost" not in again.manifest, "nobody had asked for an estimate"
    assert hashlib.sha256((again.folder / WEIGHTS).read_bytes()).hexdigest() == digest
    assert not list((tiny_workspace.adapters_folder / ".runs").glob("*"))

    replayed = run(replay=general_paragraphs)
    assert (replayed.ref, replayed.manifest["examples"] > whole.manifest["examples"]) == ("tiny-reader:3", True)
    assert run(replay=general_paragraphs) == replayed
