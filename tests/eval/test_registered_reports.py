"""Every finished report is found among the workspace's, wherever ``--out`` put it."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.evaluation_world import evaluate_small_world, make_questions

from doyen.core.report_files import read_figures, register_report, report_folders
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.ingestion.removal import Named
from doyen.platform.purge import purge


def evaluated(folder: Path) -> Path:
    evaluate_small_world(make_questions(), folder, "demo:1")
    return folder


def test_a_report_elsewhere_is_found_once_and_as_it_is_now(workspace: Workspace, tmp_path: Path) -> None:
    reports, out = workspace.reports_folder, evaluated(tmp_path / "report")
    for _ in range(2):
        assert register_report(reports, out) == reports / "report"
    assert list(report_folders(reports)) == ["report"]
    (out / "report.json").write_text((out / "report.json").read_text().replace('"n": 6', '"n": 7'))
    assert read_figures(report_folders(reports)["report"])["questions"]["n"] == 7


def test_names_that_are_taken_get_longer(workspace: Workspace, tmp_path: Path) -> None:
    reports = workspace.reports_folder
    own = evaluated(reports / "report")
    assert register_report(reports, own) == own
    first = evaluated(tmp_path / "a" / "report")
    places = {register_report(reports, first), register_report(reports, first)}
    assert [place.name.startswith("report-") for place in places] == [True]
    register_report(reports, evaluated(tmp_path / ".hidden"))
    assert sorted(report_folders(reports)) == sorted(["hidden", "report", places.pop().name])


def test_a_report_that_is_gone_gives_its_name_up(workspace: Workspace, tmp_path: Path) -> None:
    reports, out = workspace.reports_folder, evaluated(tmp_path / "a" / "report")
    register_report(reports, out)
    shutil.rmtree(out)
    assert report_folders(reports) == {}
    other = evaluated(tmp_path / "b" / "report")
    assert register_report(reports, other) == reports / "report"


def test_a_workspace_that_moves_takes_its_reports_along(workspace: Workspace, tmp_path: Path) -> None:
    register_report(workspace.reports_folder, evaluated(workspace.root / "report"))
    moved = Workspace(workspace.root.rename(tmp_path / "moved"))
    assert list(report_folders(moved.reports_folder)) == ["report"]


def test_a_purge_names_the_folder_where_the_answers_lie(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    out = evaluated(tmp_path / "report")
    register_report(workspace.reports_folder, out)
    kept = purge(workspace, store, [Named("pumps.md", "pumps.md")]).kept
    assert any(f"of the evaluation in {out}: delete that folder" in sentence for sentence in kept)
