"""Versions of one document: the newest first, the others marked; and abbreviations and other names that are learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doyen.core.access import OWNER, Access
from doyen.core.answers import Passage
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.ingestion.revisions import Revision
from doyen.platform.documents import delete_documents, ingest_documents
from doyen.retrieval.chosen import ChosenRetriever, open_retriever
from doyen.retrieval.document_facts import DocumentFacts
from doyen.retrieval.hybrid import HybridRetriever
from doyen.retrieval.query_expansion import OtherForms, learn_forms
from doyen.retrieval.versions import Versions

PROCEDURE = """# Changing the diaphragm of the sample pump

Revision {letter}. Issued {date}.

## Assembly

Tighten the head screws crosswise to {torque} Nm in two passes and let the pump run for ten minutes before the leak check.
Clean the seat with a lint-free cloth, inspect the valve plates under a lamp and replace them when an edge is chipped or worn.

## Records

Send form F-77 to the service desk within {days} working days and keep a copy with the papers of the analyser.
"""
OLD_NOTICE = """# Notice on the purge of the cabinet

Issue 1. Issued 7 March 2020.

Before the inspection hatch of the cabinet is opened, purge it with nitrogen for 20 minutes, and keep a watch on the flow meter
beside the hatch all the while, so that the float does not fall below the red line on its glass. Log the purge in the book.
"""
NEW_NOTICE = """# Notice on the purge of the cabinet

Issue 2. Issued 3 May 2024.

Inert gas is let in for 35 minutes ahead of the removal of a cover, and the rotameter is observed all the while, so that the
float does not fall below the red line on its glass. What was done is noted in the service portal by the technician in charge.
"""
HATCH = "# Hatch {number}\n\nThe inspection hatch {number} of the cabinet is opened after nitrogen was let in for minutes.\n"
RELEASE = "# Ledger {number} release notes\n\nPublished {date}. {body}\n"
FILES = {
    "pump_rev_B.md": PROCEDURE.format(letter="B", date="14 March 2021", torque="1.4", days="ten"),
    "pump_rev_C.md": PROCEDURE.format(letter="C", date="2 October 2023", torque="2.1", days="three"),
    "ledger-6.2.md": RELEASE.format(number="6.2", date="21 March 2023", body="Alarms can be sent by mail to several people."),
    "ledger-6.3.md": RELEASE.format(number="6.3", date="5 December 2023", body="Reports are made at night by a new service."),
    "notice_issue_1.md": OLD_NOTICE,
    "notice_issue_2.md": NEW_NOTICE,
    **{f"hatch-{number}.md": HATCH.format(number=number) for number in "abcdefghij"},
    "line.md": "# Heating\n\nThe Heated Line Controller (HLC) has a fuse of 6 ampere behind its front plate.\n",
    "pot.md": "# Condensate\n\nThe knock-out pot (formerly called water trap) is emptied through its valve each week.\n",
    "trap.md": "# Frost\n\nWrap the water trap in felt before winter.\n",
    "line-faq.md": "# Questions\n\nA red lamp on the heated line controller means that its sensor is broken.\n",
}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Store]:
    from doyen.core.store import open_store
    from doyen.core.workspace import create_workspace

    root = tmp_path_factory.mktemp("versions")
    workspace = create_workspace(root / "space", "versions")
    settings = workspace.root / "doyen.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + '\n[retrieval]\nretriever = "lexical"\n', encoding="utf-8")
    workspace, store = Workspace(workspace.root), open_store(workspace)
    (root / "documents").mkdir()
    for name, text in FILES.items():
        (root / "documents" / name).write_text(text, encoding="utf-8")
    ingest_documents(workspace, store, [root / "documents"])
    return workspace, store


@pytest.fixture
def retriever(versions: tuple[Workspace, Store]) -> HybridRetriever:
    opened = open_retriever(*versions)
    assert isinstance(opened, HybridRetriever)
    return opened


@pytest.mark.model
@pytest.mark.parametrize("question", ["How tight are the head screws of the sample pump?", "when is form F-77 due"])
def test_the_newest_version_comes_first_and_the_older_one_is_marked(retriever: HybridRetriever, question: str) -> None:
    first, second = retriever.retrieve(question, 2)
    assert (first.source, first.revision, first.superseded_by) == ("pump_rev_C.md", "Revision C, 2023-10-02", None)
    assert (second.source, second.superseded_by) == ("pump_rev_B.md", "pump_rev_C.md")
    assert first.score >= second.score
    assert retriever.retrieve(question, 1) == [first]


@pytest.mark.model
@pytest.mark.parametrize("words", ["in revision B", "in rev. B", "in the previous revision", "in 2021"])
def test_an_older_version_that_is_asked_for_comes_first(retriever: HybridRetriever, words: str) -> None:
    passage = retriever.retrieve(f"How tight are the head screws of the sample pump {words}?", 1)[0]
    assert (passage.source, passage.superseded_by) == ("pump_rev_B.md", "pump_rev_C.md")


@pytest.mark.model
@pytest.mark.parametrize("k", [1, 3])
def test_the_version_in_force_is_looked_up_where_only_an_older_one_is_like_the_question(
    retriever: HybridRetriever, k: int
) -> None:
    question = "For how many minutes is the cabinet purged with nitrogen before the inspection hatch is opened?"
    first, *others = retriever.retrieve(question, k)
    assert (first.source, first.superseded_by) == ("notice_issue_2.md", None)
    assert "35 minutes" in first.text
    assert [(each.source, each.superseded_by) for each in others[:1]] == [("notice_issue_1.md", "notice_issue_2.md")][: k - 1]
    asked = retriever.retrieve(f"{question.removesuffix('?')} in issue 1?", k)[0]
    assert (asked.source, asked.superseded_by) == ("notice_issue_1.md", "notice_issue_2.md")


class Backwards:
    """Another package's retriever, which knows nothing of versions."""

    def __init__(self, index: HybridRetriever) -> None:
        self._index = index

    def retrieve(self, query: str, k: int, **options: Any) -> list[Passage]:
        found = self._index.retrieve(query, k, **options)
        return [replace(each, revision="", superseded_by=None) for each in reversed(found)]


@pytest.mark.model
@pytest.mark.parametrize("access", [OWNER, Access(groups=frozenset())])
def test_the_newest_version_comes_first_with_the_retriever_of_another_package(
    retriever: HybridRetriever, access: Access
) -> None:
    chosen = ChosenRetriever(retriever, Backwards(retriever), None, 8)
    first, second = chosen.retrieve("How tight are the head screws of the sample pump?", 2, access=access)
    assert (first.source, first.superseded_by) == ("pump_rev_C.md", None)
    assert (second.source, second.superseded_by) == ("pump_rev_B.md", "pump_rev_C.md")


@pytest.mark.model
def test_release_notes_do_not_supersede_each_other(retriever: HybridRetriever) -> None:
    passage = retriever.retrieve("Can Ledger send alarms by mail?", 1)[0]
    assert (passage.source, passage.revision, passage.superseded_by) == ("ledger-6.2.md", "", None)


@pytest.mark.model
def test_an_excluded_version_supersedes_nothing(retriever: HybridRetriever) -> None:
    question = "How tight are the head screws of the sample pump?"
    newest = retriever.retrieve(question, 1)[0].document_id
    assert retriever.retrieve(question, 1, exclude_documents=[newest])[0].source == "pump_rev_B.md"


@pytest.mark.model
def test_either_form_of_an_abbreviation_finds_the_other(retriever: HybridRetriever) -> None:
    found = [{each.source for each in retriever.retrieve(query, 2)} for query in ("HLC", "heated line controller")]
    assert found == [{"line.md", "line-faq.md"}] * 2
    with retriever._current() as opened:
        assert opened.other_forms.expand("fuse of the HLC?") == "fuse of the HLC? (Heated Line Controller)"
        assert opened.other_forms.expand("heated line controller lamp") == "heated line controller lamp (HLC)"
        assert opened.other_forms.expand("hlc or line") == "hlc or line"


@pytest.mark.model
def test_either_name_of_a_thing_finds_the_other(retriever: HybridRetriever) -> None:
    found = [{each.source for each in retriever.retrieve(query, 2)} for query in ("water trap", "knock-out pot")]
    assert found == [{"pot.md", "trap.md"}] * 2


def test_other_names_of_many_meanings_are_not_expanded() -> None:
    def named(**names: str) -> OtherForms:
        return learn_forms({name: DocumentFacts(Revision("x"), other_names={other: name}) for name, other in names.items()})

    forms = named(cooler="cold box")
    assert (forms.of("open the Cold Box"), forms.of("open the cooler")) == (["cooler"], [])  # "cooler" alone may be any
    assert named(Sampler="cold box", cooler="cold box").of("cold box") == []
    assert named(Enfuvirtide="T20").of("dose of enfuvirtide?") == ["t20"]


def passage(document: str, text: str) -> Passage:
    return Passage(text[:9], document, "v", f"{document}.md", 0, len(text), None, "", 0.5, text)


def test_a_passage_of_the_newest_version_takes_the_place_of_its_twin() -> None:
    old_torque, new_torque = (passage(name, f"Tighten the screws to {nm} Nm in passes") for name, nm in (("b", 3), ("c", 4)))
    old_records, new_general = passage("b", "Send form F-77 to the desk"), passage("c", "This procedure is for all pumps")
    other = passage("x", "Pump screws")
    versions = Versions({"b": ["c", "b"], "c": ["c", "b"]}, {name: Revision("pump", dated=f"202{name}") for name in "bc"})
    found = [old_torque, other, old_records, new_general, new_torque]
    assert versions.newest_first(found, "how tight?") == [new_torque, old_torque, other, old_records, new_general]
    assert versions.to_look_up(found, "how tight?") == {"c"}
    assert versions.to_look_up([old_torque, new_torque], "how tight?") == set()
    assert versions.newest_first([new_torque, other, old_torque], "how tight in the old version?")[0] == old_torque
    assert versions.to_look_up([new_torque], "how tight in the old version?") == {"b"}
    assert versions.to_look_up([other], "how tight?") == set()


def test_ambiguous_abbreviations_are_not_expanded() -> None:
    def explained(*forms: str) -> dict[str, DocumentFacts]:
        return {str(number): DocumentFacts(Revision("x"), {"AI": form}) for number, form in enumerate(forms)}

    assert learn_forms(explained("artificial intelligence", "air inlet")).of("AI") == []
    spellings = learn_forms(explained("air inlets", "Air inlet", "artificial intelligence", "air inlet"))
    assert [form.casefold() for form in spellings.of("the AI")] in (["air inlet"], ["air inlets"])


@pytest.mark.model
def test_what_is_known_goes_with_the_document(versions: tuple[Workspace, Store], tmp_path: Path) -> None:
    """Last in this file: it changes the shared workspace."""
    workspace, store = versions
    delete_documents(workspace, store, ["pump_rev_C.md", "line.md"])
    retriever = open_retriever(workspace, store)
    passage = retriever.retrieve("How tight are the head screws of the sample pump?", 1)[0]
    assert (passage.source, passage.revision, passage.superseded_by) == ("pump_rev_B.md", "", None)
    assert isinstance(retriever, HybridRetriever)
    with retriever._current() as opened:
        assert opened.other_forms.expand("HLC") == "HLC"
