"""Checks the example's documents, pairs and questions against the promises of README.md.

Run `python validate.py` in this folder: it prints the counts, then each problem on a line, and ends with exit code 1
if there is one. It needs pypdfium2 and what build.py needs.
"""

import csv
import html
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import docx
import pypdfium2
from build import is_development

HERE = Path(__file__).parent
DOCUMENTS = HERE / "documents"
REFUSAL = "The documents do not say."
LEAST = {
    "documents": 40,
    "pairs": 200,
    "pairs.refusal": 20,
    "pairs.follow-up": 10,
    "groups": 25,
    "groups.disagreeing": 8,
    "unseen-document": 120,
    "seen-document": 60,
    "taught-fact": 20,
    "unanswerable": 72,
    "off-topic": 24,
    "missing-property": 24,
    "false-premise": 24,
    "follow-up": 10,
}
UNANSWERABLE_KINDS = {"off-topic", "missing-property", "false-premise"}
NEAR_PROMPT = 0.8
"""Token Jaccard from which a held-out question is too near to a training prompt."""
NEAR_DOCUMENT = 0.05
"""Jaccard of five-word shingles from which two documents count as versions of one another."""

Row = dict[str, Any]


def read_rows(name: str) -> list[Row]:
    """Returns the objects of a JSON Lines file in this folder."""
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


# The text of a document, with white space made single


def _pdf_text(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def _docx_text(path: Path) -> str:
    document = docx.Document(str(path))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([paragraph.text for paragraph in document.paragraphs] + cells)


def _html_text(path: Path) -> str:
    page = path.read_text(encoding="utf-8")
    body = re.sub(r"(?s)<(nav|footer|script|style|head|aside)\b.*?</\1>", " ", page)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


def _plain_text(path: Path) -> str:
    data = path.read_bytes()
    for encoding in ("utf-16",) if data.startswith(b"\xff\xfe") else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError(f"{path}: neither UTF-8, UTF-16 nor Windows-1252")


@cache
def text_of(source: str) -> str:
    """Returns the text of a document, given its path below `documents/`."""
    path = DOCUMENTS / source
    reader = {".pdf": _pdf_text, ".docx": _docx_text, ".html": _html_text}.get(path.suffix, _plain_text)
    return " ".join(reader(path).split())


def tokens(text: str) -> set[str]:
    """Returns the set of lower-case words and figures in `text`."""
    return set(re.findall(r"\w+", text.lower()))


def jaccard(a: set[str], b: set[str]) -> float:
    """Returns the share of common members, 0.0 for two empty sets."""
    return len(a & b) / len(a | b) if a | b else 0.0


# The checks: each yields sentences that say what is wrong


def check_ids(rows: list[Row]) -> Iterator[str]:
    """Ids are unique in both files together."""
    for row_id, count in Counter(row["id"] for row in rows).items():
        if count > 1:
            yield f"id {row_id} is used {count} times"


def check_evidence(rows: list[Row]) -> Iterator[str]:
    """Each quote stands once in the document that its row names, so that its passage can be found."""
    for row in rows:
        source = row.get("source")
        if source and not (DOCUMENTS / source).is_file():
            yield f"{row['id']}: there is no document {source}"
            continue
        if bool(source) != bool(row.get("evidence")):
            yield f"{row['id']}: source and evidence must be given together"
        for quote in row.get("evidence", []):
            times = text_of(source).count(" ".join(quote.split()))
            if times != 1:
                yield f"{row['id']}: {source} holds {quote!r} {times} times, not once"


def check_refusals(pairs: list[Row], questions: list[Row]) -> Iterator[str]:
    """What cannot be answered has no source and the one agreed wording, and nothing else has."""
    for row in pairs + questions:
        refuses = row.get("response", row.get("answer")) == REFUSAL
        if refuses == bool(row.get("source")):
            yield f"{row['id']}: the refusal and a source exclude each other, and one is needed"
        if "answer" in row and row["answerable"] == refuses:
            yield f"{row['id']}: 'answerable' contradicts the answer"


def check_unanswerable_kinds(questions: list[Row]) -> Iterator[str]:
    """Each unanswerable question is tagged so and has exactly one kind; no other question has either."""
    for question in questions:
        kinds = [tag for tag in question["tags"] if tag in UNANSWERABLE_KINDS]
        if question["answerable"] == ("unanswerable" in question["tags"]):
            yield f"{question['id']}: the tag 'unanswerable' contradicts 'answerable'"
        if len(kinds) != (0 if question["answerable"] else 1):
            yield f"{question['id']}: has the kinds {kinds}, and needs one if it is unanswerable, else none"


def check_sides(pairs: list[Row], questions: list[Row]) -> Iterator[str]:
    """Training uses no document that an "unseen-document" question asks about, nor a version of it."""
    seen = {pair["source"] for pair in pairs if "source" in pair}
    side: dict[str, str] = dict.fromkeys(seen, "seen")
    for question in questions:
        source = question.get("source")
        expected = "seen" if "seen-document" in question["tags"] else "unseen"
        if source and side.setdefault(source, expected) != expected:
            yield f"{question['id']}: {source} is on the other side"
    for a, b in near_documents():
        if side.get(a, side.get(b)) != side.get(b, side.get(a)):
            yield f"{a} and {b} are versions of one document but on two sides"


def check_prompts(pairs: list[Row], questions: list[Row]) -> Iterator[str]:
    """No held-out question equals or nearly equals a training prompt or another question."""

    def key(row: Row) -> set[str]:
        turns = [turn["content"] for turn in row.get("history", [])]
        return tokens(" ".join([*turns, str(row.get("prompt", row.get("question")))]))

    held_out = [(question["id"], key(question)) for question in questions]
    trained = [(pair["id"], key(pair)) for pair in pairs]
    for question_id, words in held_out:
        for pair_id, prompt in trained:
            if jaccard(words, prompt) >= NEAR_PROMPT:
                yield f"{question_id} is nearly the training prompt {pair_id}"
    for (a, words_a), (b, words_b) in combinations(held_out, 2):
        if jaccard(words_a, words_b) >= NEAR_PROMPT:
            yield f"{a} and {b} are nearly the same question"


def check_development(questions: list[Row]) -> Iterator[str]:
    """The tag `development` is on the third of the questions whose id's hash says so."""
    for question in questions:
        if ("development" in question["tags"]) != is_development(question["id"]):
            yield f"{question['id']}: the tag 'development' is missing or wrong, run build.py"


def check_groups(pairs: list[Row]) -> Iterator[str]:
    """A prompt that comes more than once is one group, labelled once by each annotator."""
    prompts: dict[str, list[Row]] = {}
    for pair in pairs:
        prompts.setdefault(json.dumps([pair.get("history"), pair["prompt"]]), []).append(pair)
    for labels in prompts.values():
        groups = {label.get("group") for label in labels}
        annotators = {label["annotator"] for label in labels}
        if len(labels) > 1 and (len(groups) > 1 or None in groups or len(annotators) < len(labels)):
            yield f"{labels[0]['id']}: labels of one prompt need one group and different annotators"


def check_parts() -> Iterator[str]:
    """Part tables have the same number of cells in each row."""
    for path in sorted(DOCUMENTS.glob("parts/*.csv")):
        lines = _plain_text(path).splitlines()
        widths = {len(row) for row in csv.reader(lines, delimiter=";" if ";" in lines[0] else ",")}
        if len(widths) > 1:
            yield f"{path.name}: rows have {sorted(widths)} cells"


@cache
def near_documents() -> list[tuple[str, str]]:
    """Returns the pairs of documents that share many of their five-word shingles."""
    shingles = {}
    for path in sorted(path for path in DOCUMENTS.rglob("*") if path.is_file()):
        source = path.relative_to(DOCUMENTS).as_posix()
        words = text_of(source).lower().split()
        shingles[source] = {" ".join(words[i : i + 5]) for i in range(len(words) - 4)}
    return [(a, b) for a, b in combinations(shingles, 2) if jaccard(shingles[a], shingles[b]) >= NEAR_DOCUMENT]


def count(pairs: list[Row], questions: list[Row]) -> Counter[str]:
    """Returns how many there are of everything that `LEAST` names."""
    counts = Counter(tag for question in questions for tag in question["tags"])
    groups: dict[str, set[str]] = {}
    for pair in pairs:
        if "group" in pair:
            groups.setdefault(pair["group"], set()).add(pair["response"])
    counts["documents"] = sum(path.is_file() for path in DOCUMENTS.rglob("*"))
    counts["pairs"] = len(pairs)
    counts["pairs.refusal"] = sum(pair["response"] == REFUSAL for pair in pairs)
    counts["pairs.follow-up"] = sum("history" in pair for pair in pairs)
    counts["groups"] = len(groups)
    counts["groups.disagreeing"] = sum(len(responses) > 1 for responses in groups.values())
    return counts


def validate() -> tuple[Counter[str], list[str]]:
    """Returns the counts and the problems found."""
    pairs, questions = read_rows("pairs.jsonl"), read_rows("questions.jsonl")
    counts = count(pairs, questions)
    problems = [f"only {counts[name]} of {name}, need {least}" for name, least in LEAST.items() if counts[name] < least]
    problems += check_ids(pairs + questions)
    problems += check_evidence(pairs + questions)
    problems += check_refusals(pairs, questions)
    problems += check_unanswerable_kinds(questions)
    problems += check_sides(pairs, questions)
    problems += check_prompts(pairs, questions)
    problems += check_development(questions)
    problems += check_groups(pairs)
    problems += check_parts()
    return counts, problems


def main() -> int:
    """Prints the counts and the problems; returns the exit code."""
    counts, problems = validate()
    print("\n".join(f"{value:5} {name}" for name, value in sorted(counts.items())))
    print("\n".join(problems) or "no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
