"""``/healthz``, ``/readyz`` and ``/metrics``: for those who run the gateway."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel

from doyen.platform.serving.gateway.services import ServicesOf

router = APIRouter(tags=["health"])
SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Metrics:
    """Counters with a registry of their own, so that two gateways in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "doyen_requests", "Requests by route, method and status.", ["route", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "doyen_request_seconds", "Time to the end of the response.", ["route"], buckets=SECONDS, registry=self.registry
        )
        self.answers = Counter("doyen_answers", "Answers by mode and outcome.", ["mode", "outcome"], registry=self.registry)
        self.first_token = Histogram(
            "doyen_first_token_seconds", "Time to the first token.", ["mode"], buckets=SECONDS, registry=self.registry
        )
        self.tokens = Counter("doyen_tokens", "Tokens by kind.", ["kind"], registry=self.registry)
        self.feedback = Counter("doyen_feedback", "Feedback by rating.", ["rating"], registry=self.registry)
        self.running = Gauge("doyen_answers_running", "Answers being generated.", registry=self.registry)
        self.waiting = Gauge("doyen_answers_waiting", "Requests waiting for their turn.", registry=self.registry)


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether every mode can answer.

    Attributes:
        missing: what is not there → why and what to do about it.
    """

    status: Literal["ready", "not ready"]
    missing: dict[str, str]


@router.get("/healthz")
async def show_health() -> Health:
    """Say that the process is alive."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness}})
def show_readiness(services: ServicesOf) -> JSONResponse:
    """Say what is missing before every mode can answer; 503 while something is."""
    problems = {"model": services.assistant_problem, "index": services.index_problem()}
    missing = {name: reason for name, reason in problems.items() if reason}
    if "model" in missing:
        # A load that failed is tried again: whoever waits for this answer sends no question that would do so.
        services.start_warm_up()
    readiness = Readiness(status="not ready" if missing else "ready", missing=missing)
    return JSONResponse(readiness.model_dump(), 503 if missing else 200)


@router.get("/metrics", response_class=Response)
def show_metrics(services: ServicesOf) -> Response:
    """Show metrics in Prometheus' text format."""
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)
