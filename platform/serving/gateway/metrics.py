"""Prometheus metrics of one gateway."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
