"""An evaluation from questions to report: one readable pass over named steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from doyen.core.answers import Answerer, Retriever
from doyen.core.costs import COST, compare, load_estimate
from doyen.core.costs import FILE as ESTIMATE
from doyen.core.errors import InputError, UsageError
from doyen.core.manifest import build_manifest
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Question
from doyen.core.settings import Settings
from doyen.eval.answer_log import AnswerRecord, JsonLines, evaluation_lock, read_answers, write_answers
from doyen.eval.failures import summarise_failures
from doyen.eval.gate import judge_report, read_rules
from doyen.eval.identity import answer_key, manifest_settings
from doyen.eval.judging import judge_answers
from doyen.eval.metrics import describe
from doyen.eval.questions import questions_sha256, without_repeats
from doyen.eval.questions import sample as take_sample
from doyen.eval.ragas_metrics import Embed
from doyen.eval.refusing import summarise_refusing
from doyen.eval.regression import write_scores
from doyen.eval.report import Report, write_report
from doyen.eval.retrieval_metrics import DEPTH, score_ranking
from doyen.eval.scores import Table, judged_columns, score_mode
from doyen.eval.spending import Watch
from doyen.eval.summary import (
    Bootstrap,
    compare_modes,
    source_clusters,
    summarise_length,
    summarise_metrics,
    summarise_retrieval,
    summarise_tags,
    summarise_usage,
)
from doyen.finetune.registry import Adapter
from doyen.retrieval.query import standalone_query

ANSWERS = "answers.jsonl"


def run_evaluation(
    assistant: Answerer,
    retriever: Retriever | None,
    questions: Sequence[Question],
    *,
    modes: Sequence[str],
    out: Path,
    settings: Settings,
    manifest_inputs: Mapping[str, Any],
    reporter: Reporter | None = None,
    adapter: str | None = None,
    adapter_fingerprint: str | None = None,
    reader: Adapter | None = None,
    sample: int | None = None,
    embed: Embed | None = None,
    excluded: Collection[str] | None = None,
) -> Report:
    """Ask every question in every mode and write answers.jsonl, scores.jsonl, report.json and report.html.

    Of questions that ask the same (`Question.repeat_hash`) the first is asked and counted; the reporter names the others.

    Stopped anywhere and called again with the same arguments it goes on where it was: an answer is asked for again only
    when something that shapes it has changed (the question, the model, the prompts, and, for the modes that use them,
    the index and the adapter).

    Args:
        assistant: answers; an evaluation never talks to an engine.
        retriever: measured on the questions with evidence; None leaves retrieval out.
        questions: the frozen questions.
        modes: in the order in which they are shown; of each pair the later one is compared with the earlier.
        out: folder of the report; made if need be.
        manifest_inputs: names to hashes of what the answers rest on. "index" and "reader" shape the modes with passages,
            "adapter" those with an adapter, "reading_adapter" the one with it, "questions" none, everything else all.
        adapter: "name:version" for the modes that need one.
        adapter_fingerprint: of the adapter's manifest, so that the report speaks for no other of that name.
        reader: the trained reader that reads the passages; None where none does, or the general one.
        sample: ask that many of the questions, every tag in proportion; None asks all.
        embed: for semantic similarity and the judge's answer relevancy; None leaves the first out.
        excluded: hashes of the questions that the adapter's dataset kept out of training, for the gate; None: unknown.

    Raises:
        UsageError: no questions, no modes, or a mode twice.
        Busy: another evaluation writes to ``out``.
        ServiceError: the model server or the judge failed.
        StorageError: the disk is full.
    """
    reporter = reporter or Silent()
    chosen = choose_questions(questions, modes, sample, settings, reporter)
    with evaluation_lock(out):
        watch = Watch()
        records = answer_questions(assistant, chosen, modes, out / ANSWERS, settings, manifest_inputs, adapter, reporter, watch)
        tables = score_answers(chosen, records, embed, settings, out, reporter, watch)
        rankings = measure_retrieval(retriever, chosen, reporter) if retriever else {}
        data = build_report(chosen, records, tables, rankings, settings, manifest_inputs, adapter)
        data["adapter_fingerprint"] = adapter_fingerprint
        if estimate := load_estimate(out):
            data["manifest"][COST] = compare(estimate, watch.spent(settings))
            (out / ESTIMATE).unlink()
        data |= {"reader": reader.ref if reader else None}
        data |= {"reader_fingerprint": reader.manifest["fingerprint"] if reader else None}
        if adapter is not None:
            verdicts = judge_report(Report(out, data), excluded, read_rules(settings))
            data["gate"] = {"open": all(item.met for item in verdicts), "rules": [item.to_json() for item in verdicts]}
        write_scores(out, chosen, tables)
        return write_report(out, data, chosen, records, tables)


def choose_questions(
    questions: Sequence[Question], modes: Sequence[str], sample: int | None, settings: Settings, reporter: Reporter
) -> list[Question]:
    """Return the questions that are asked: each once, or a fixed sample of them. Raises UsageError."""
    _check(questions, modes)
    different = _each_once(questions, reporter)
    return take_sample(different, sample, settings.eval.seed) if sample is not None else different


def answer_questions(
    assistant: Answerer,
    questions: Sequence[Question],
    modes: Sequence[str],
    path: Path,
    settings: Settings,
    inputs: Mapping[str, Any],
    adapter: str | None,
    reporter: Reporter,
    watch: Watch,
) -> dict[str, list[AnswerRecord]]:
    """Return mode → one answer a question; those of an earlier run are kept, the others asked for and written at once."""
    known = read_answers(path)
    records: dict[str, list[AnswerRecord]] = {}
    with JsonLines(path).appending() as lines:
        for mode in modes:
            keys = [answer_key(question, mode, settings, inputs, adapter) for question in questions]
            missing = sum(key not in known for key in keys)
            with reporter.bar(f"Answering ({mode})", missing) as bar:
                for question, key in zip(questions, keys, strict=True):
                    if key not in known:
                        with watch.answering():
                            known[key] = ask(assistant, question, mode, adapter, key)
                        watch.answers.append(known[key])
                        lines.write(known[key].to_line())
                        bar.advance()
            # An earlier run may have asked the same under another id.
            records[mode] = [replace(known[key], id=question.id) for question, key in zip(questions, keys, strict=True)]
    write_answers(path, (record for mode in modes for record in records[mode]))
    return records


def score_answers(
    questions: Sequence[Question],
    records: Mapping[str, Sequence[AnswerRecord]],
    embed: Embed | None,
    settings: Settings,
    out: Path,
    reporter: Reporter,
    watch: Watch,
) -> dict[str, Table]:
    """Return mode → scores, the judge's among them where one is set."""
    with reporter.bar("Scoring", len(records)) as bar:
        tables = {}
        for mode, answers in records.items():
            tables[mode] = score_mode(mode, questions, answers, embed)
            bar.advance(note=mode)
    if settings.eval.judge_url:
        with watch.judging():
            judgements = judge_answers(questions, records, embed, settings.eval, out, reporter, usage=watch.judge)
        for mode in records:
            tables[mode] |= judged_columns(mode, questions, judgements)
    return tables


def measure_retrieval(retriever: Retriever, questions: Sequence[Question], reporter: Reporter) -> dict[str, dict[str, float]]:
    """Return question id → retrieval metrics, for the questions with evidence, asked as the assistant asks them."""
    quoted = [question for question in questions if question.evidence]
    scores = {}
    with reporter.bar("Retrieval", len(quoted)) as bar:
        for question in quoted:
            query = standalone_query(question.question, question.history)
            scores[question.id] = score_ranking(question, retriever.retrieve(query, DEPTH))
            bar.advance()
    return scores


def build_report(
    questions: Sequence[Question],
    records: Mapping[str, Sequence[AnswerRecord]],
    tables: Mapping[str, Table],
    rankings: Mapping[str, Mapping[str, float]],
    settings: Settings,
    inputs: Mapping[str, Any],
    adapter: str | None,
) -> dict[str, Any]:
    """Return report.json: figures and manifest, as docs/evaluation.md describes them."""
    seed, samples = settings.eval.seed, settings.eval.bootstrap_samples
    bootstrap = Bootstrap(samples, seed, source_clusters(questions) if settings.eval.cluster_by_source else None)
    ranked = [question for question in questions if question.id in rankings]
    clusters = source_clusters(ranked) if settings.eval.cluster_by_source else None
    retrieval = summarise_retrieval([rankings[question.id] for question in ranked], Bootstrap(samples, seed, clusters))
    sha256 = questions_sha256(questions)
    return {
        "name": settings.name,
        "adapter": adapter,
        "manifest": build_manifest(
            "report",
            inputs={**inputs, "questions": sha256, "adapter": inputs.get("adapter", adapter), "modes": list(records)},
            settings=manifest_settings(settings),
            seed=seed,
        ),
        "questions": {"n": len(questions), "sha256": sha256, "hashes": sorted(question.asked_hash for question in questions)},
        "modes": {
            mode: {
                "metrics": summarise_metrics(tables[mode], bootstrap),
                "answer_words": summarise_length(answers),
                **summarise_usage(answers),
            }
            for mode, answers in records.items()
        },
        "comparisons": compare_modes(tables, bootstrap),
        "refusing": summarise_refusing(questions, records, bootstrap),
        "failures": summarise_failures(questions, records),
        "retrieval": retrieval["means"],
        "retrieval_intervals": retrieval["intervals"],
        "metrics": {name: describe(name) for name in dict.fromkeys(name for table in tables.values() for name in table)},
        "tags": summarise_tags(questions, tables, bootstrap),
    }


def _check(questions: Sequence[Question], modes: Sequence[str]) -> None:
    if not questions:
        raise UsageError("there are no questions to ask: name a questions.jsonl with at least one")
    if not modes or len(set(modes)) < len(modes):
        raise UsageError(f"the modes must be named, each once (found {', '.join(modes) or 'none'}): --modes base,rag")


def _each_once(questions: Sequence[Question], reporter: Reporter) -> list[Question]:
    different, repeats = without_repeats(questions)
    if repeats:
        named = ", ".join(f"{repeat} (as {first})" for repeat, first in list(repeats.items())[:10])
        more = f" and {len(repeats) - 10} more" if len(repeats) > 10 else ""
        reporter.say(f"{len(repeats)} question(s) ask what an earlier line asks and are left out: {named}{more}")
    return different


def ask(assistant: Answerer, question: Question, mode: str, adapter: str | None, key: str) -> AnswerRecord:
    """Return the answer to a question as a record. Raises InputError where it cannot be asked."""
    try:
        answer = assistant.ask(question.question, mode, history=question.history, adapter=adapter, record=False)
    except InputError as error:
        raise InputError(f"question {question.id!r} cannot be asked in mode {mode}: {error}") from error
    return AnswerRecord.of(key, question.id, answer)
