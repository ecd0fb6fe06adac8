"""``/v1/evals``: evaluation reports."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel

from doyen.core.access import Access
from doyen.core.errors import NotFoundError, StorageError
from doyen.core.report_files import ALPHA, read_figures, report_folders
from doyen.eval.metrics import describe
from doyen.eval.regression import Change
from doyen.eval.view import ReportView, view_report
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

logger = logging.getLogger("doyen.gateway")
router = APIRouter(prefix="/v1", tags=["evals"], route_class=StrictRoute)
# A report may draw its plots itself, but it reaches nothing outside itself.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; script-src 'unsafe-inline'; "
    "sandbox allow-scripts"
)


class Evaluation(BaseModel):
    """One evaluation in the list.

    Attributes:
        means: mode → metric → mean.
        questions_sha256: tells runs on the same questions.
    """

    object: Literal["eval"] = "eval"
    id: str
    created_at: str | None
    questions: int | None
    questions_sha256: str | None
    modes: list[str]
    means: dict[str, dict[str, float | None]]


class EvaluationList(BaseModel):
    """All evaluations, newest first."""

    object: Literal["list"] = "list"
    data: list[Evaluation]


class FigureChange(BaseModel):
    """How one metric of one mode changed between two runs; see `Change`.

    Attributes:
        verdict: worse or better where p, corrected for all that are looked at, says so; else same.
    """

    mode: str
    metric: str
    title: str
    n: int
    before: float
    now: float
    delta: float
    low: float | None
    high: float | None
    p: float
    verdict: Literal["worse", "better", "same"]


class ChangeList(BaseModel):
    """The watched metrics of the modes that both runs have, the worst first."""

    object: Literal["list"] = "list"
    id: str
    against: str
    data: list[FigureChange]


@router.get("/evals")
def list_evals(services: ServicesOf, access: AccessOf) -> EvaluationList:
    """List evaluations, newest first. They quote documents: who may not read all documents sees none."""
    found = []
    for name, folder in _folders(services, access).items():
        try:
            found.append(_summary(name, read_figures(folder)))
        except (NotFoundError, StorageError) as error:
            logger.warning("left out of the list of evaluations: %s", error)
    return EvaluationList(data=sorted(found, key=lambda item: (item.created_at or "", item.id), reverse=True))


@router.get("/evals/{eval_id}", response_model=None, responses=documented(404, 507))
def read_eval(eval_id: str, services: ServicesOf, access: AccessOf) -> dict[str, Any]:
    """Return an evaluation's report.json."""
    return read_figures(report_folder(services, eval_id, access))


@router.get("/evals/{eval_id}/view", responses=documented(404, 507))
def view_eval(eval_id: str, services: ServicesOf, access: AccessOf) -> ReportView:
    """Return an evaluation as it is shown: titles, the best of each row, which differences are more than chance."""
    return view_report(read_figures(report_folder(services, eval_id, access)))


@router.get("/evals/{eval_id}/changes", responses=documented(404, 409, 507))
def show_changes(eval_id: str, against: str, services: ServicesOf, access: AccessOf) -> ChangeList:
    """Compare an evaluation with an earlier one on the same questions, pair by pair."""
    folders = [report_folder(services, name, access) for name in (eval_id, against)]
    changes = services.doyen.compare_runs(*folders)
    return ChangeList(id=eval_id, against=against, data=[_change(each) for each in changes])


@router.get("/evals/{eval_id}/report.html", responses=documented(404))
def read_report(eval_id: str, services: ServicesOf, access: AccessOf) -> FileResponse:
    """Return an evaluation's report as a page that stands alone."""
    path = report_folder(services, eval_id, access) / "report.html"
    if not path.is_file():
        raise NotFoundError(f"evaluation {eval_id!r} has no report.html: run `doyen eval run` again")
    return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})


def report_folder(services: Services, eval_id: str, access: Access) -> Path:
    """Return a report's folder. Only listed names are known, so that no name can lead elsewhere."""
    folders = _folders(services, access)
    if eval_id not in folders:
        raise NotFoundError(f"there is no evaluation {eval_id!r}: GET /v1/evals lists them")
    return folders[eval_id]


def _change(change: Change) -> FigureChange:
    verdict: Literal["worse", "better", "same"] = "worse" if change.worse else "same" if change.p >= ALPHA else "better"
    told = change.to_json()
    fields = {name: told[name] for name in FigureChange.model_fields if name in told}
    return FigureChange(**fields, title=describe(change.metric)["title"], verdict=verdict)


def _folders(services: Services, access: Access) -> dict[str, Path]:
    return report_folders(services.workspace.reports_folder) if access.unrestricted else {}


def _summary(name: str, report: dict[str, Any]) -> Evaluation:
    modes = report["modes"]
    return Evaluation(
        id=name,
        created_at=report["manifest"]["created_at"],
        questions=report.get("questions", {}).get("n"),
        questions_sha256=report.get("questions", {}).get("sha256"),
        modes=list(modes),
        means={
            mode: {metric: values["mean"] for metric, values in result["metrics"].items()} for mode, result in modes.items()
        },
    )
