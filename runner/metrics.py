"""The metrics of a run for Prometheus, served over HTTP while the run lasts.

What this process does is counted as it happens. The figures of campaigns and lanes are read from
the ledger, which is the truth, when they are scraped. No recipient and no text is ever a label.
"""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    make_wsgi_app,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runner.clock import Clock
from runner.events import Event, LaneStarted, MessageEvent
from runner.instrumentation import CampaignFigures, LaneFigures, Purpose, ReadFigures, RunFigures
from runner.ledger.campaigns.brakes import BrakeKind

PREFIX = "run_campaign"

REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histogram of requests: from a good network to the default `retry.timeout`."""

COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Upper bounds of the histogram of commits: from a disk that syncs at once to one that holds
everything up."""

READ_EVERY = 1.0
"""Seconds between two reads of the ledger at the least, however often it is scraped."""

READ_SHARE = 20.0
"""A read that takes long is not repeated before so many times as long: a twentieth of the time."""

READ_TIMEOUT = 2.0
"""Seconds that a scrape waits for a new read; then it gets what the last one found."""

MOST_REQUESTS = 8
"""Requests that are answered at once; more are turned away. Our own choice."""

REQUEST_TIMEOUT = 10.0
"""Seconds without a byte after which a request is given up: the default `scrape_timeout`."""

MOST_REASONS = 20
"""Reasons that are told apart for each campaign and status: codes are the API's, and a series for
each of many would swamp the metrics server. Our own choice."""

OTHER = "other"
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_STOPS = tuple(str(kind) for kind in BrakeKind if kind is not BrakeKind.RELEASED)


class Metrics(Collector):
    """A collector of one process's events and measurements."""

    def __init__(self, clock: Clock, version: str) -> None:
        self.registry = CollectorRegistry()
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR, self):
            self.registry.register(collector)
        Info(f"{PREFIX}_build", "Which run-campaign this is.", registry=self.registry).info(
            {"version": version}
        )
        self._outcomes = Counter(
            f"{PREFIX}_outcomes",
            "Outcomes of messages in this process, by the event's name and its reason.",
            ("campaign", "outcome", "reason"),
            registry=self.registry,
        )
        self._requests = Histogram(
            f"{PREFIX}_request_duration_seconds",
            "From a request to the end of its answer.",
            ("purpose", "answer"),
            registry=self.registry,
            buckets=REQUEST_SECONDS,
        )
        self._commits = Histogram(
            f"{PREFIX}_ledger_commit_duration_seconds",
            "Transactions that write intents and outcomes down, many at once.",
            registry=self.registry,
            buckets=COMMIT_SECONDS,
        )
        self._clock = clock
        # Found by one look-up each: these are on the way of every message.
        self._counted: dict[tuple[str, str, str], Counter] = {}
        self._timed: dict[tuple[Purpose, int], Histogram] = {}
        self._finish_at: float | None = None
        self._lock = threading.Lock()  # of what follows
        self._read: ReadFigures | None = None
        self._pending: Future[RunFigures] | None = None
        self._newest: RunFigures | None = None
        self._again_at = 0.0  # boot seconds

    def watch(self, event: Event) -> None:
        """Count the outcome of a message."""
        if isinstance(event, MessageEvent):
            of = event.campaign, event.name, getattr(event, "reason", "")
            counter = self._counted.get(of)
            if counter is None:
                counter = self._counter(*of)
            counter.inc()
        elif isinstance(event, LaneStarted):
            self._finish_at = event.finish_at

    def _counter(self, campaign: str, outcome: str, reason: str) -> Counter:
        told = code(reason)
        known = {each for *of, each in self._counted if of == [campaign, outcome]}
        if len(known) >= MOST_REASONS:
            return self._outcomes.labels(campaign, outcome, OTHER)
        counter = self._outcomes.labels(campaign, outcome, told)
        if told == reason:
            self._counted[campaign, outcome, reason] = counter
        return counter

    def answered(self, purpose: Purpose, seconds: float, status: int) -> None:
        histogram = self._timed.get((purpose, status))
        if histogram is None:
            histogram = self._requests.labels(str(purpose), answer_class(status))
            self._timed[purpose, status] = histogram
        histogram.observe(seconds)

    def committed(self, seconds: float) -> None:
        self._commits.observe(seconds)

    def read_figures_by(self, read: ReadFigures | None) -> None:
        with self._lock:
            self._read, self._pending = read, None

    def describe(self) -> Iterable[Metric]:
        return ()  # what it returns is known only by reading

    def collect(self) -> Iterator[Metric]:
        """Yield everything that is read at a scrape."""
        figures = self._figures()
        if self._finish_at is not None:
            yield _gauge(
                "finish_timestamp_seconds",
                "When all would be sent, as estimated when sending began.",
                {(): self._finish_at},
            )
        if figures is not None:
            yield _gauge(
                "figures_timestamp_seconds",
                "When the ledger and the lanes were read.",
                {(): figures.at},
            )
            yield from _of_campaigns(figures.campaigns)
            yield from _of_lanes(figures.lanes)

    def _figures(self) -> RunFigures | None:
        """Return figures no older than they need be; the last ones where there are none in time."""
        with self._lock:
            pending = self._pending
            if pending is None and self._read is not None and self._clock.boot() >= self._again_at:
                try:
                    pending = self._pending = self._read()
                except RuntimeError:
                    self._read = None  # the run is over
        # Not with the lock: the run itself may want it, and must never wait for us.
        if pending is not None and wait([pending], READ_TIMEOUT).done:
            self._keep(pending)
        return self._newest

    def _keep(self, pending: Future[RunFigures]) -> None:
        failed = pending.cancelled() or pending.exception() is not None
        with self._lock:
            if self._pending is pending:
                self._pending = None
                took = 0.0 if failed else pending.result().took
                self._again_at = self._clock.boot() + max(READ_EVERY, READ_SHARE * took)
                if not failed:
                    self._newest = pending.result()


def serve(metrics: Metrics, address: str, port: int) -> str:
    """Serve metrics from a thread of its own until the process ends; return the address (`port` 0:
    any free one). Raises OSError when it cannot listen there."""
    found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, place = found[0]
    server = type("_Port", (_Server,), {"address_family": family})(place[:2], _RequestHandler)
    server.set_app(make_wsgi_app(metrics.registry))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{server.server_port}/metrics"


class _Server(ThreadingMixIn, WSGIServer):
    """A server that answers only a few requests at once: scrapes take no open files and no threads
    from the run."""

    daemon_threads = True

    def __init__(self, *args: Any) -> None:
        self._free = threading.BoundedSemaphore(MOST_REQUESTS)
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        request.settimeout(REQUEST_TIMEOUT)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client has gone, and the terminal is the run's."""


class _RequestHandler(WSGIRequestHandler):
    """A handler that writes nothing to the terminal."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def get_stderr(self) -> io.StringIO:
        return io.StringIO()


def answer_class(status: int) -> str:
    """Return `2xx`, `4xx` …; `429` by itself, `none` for no answer."""
    if status in (0, 429):
        return str(status) if status else "none"
    return f"{status // 100}xx"


def code(reason: str) -> str:
    """Return a reason as a label: codes only, never a sentence that might name a person."""
    return reason if not reason or _CODE.fullmatch(reason) else OTHER


def _gauge(
    name: str, what: str, values: dict[tuple[str, ...], float], *labels: str
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", what, labels=labels)
    for each, value in values.items():
        family.add_metric(each, value)
    return family


def _of_campaigns(campaigns: list[CampaignFigures]) -> Iterator[Metric]:
    yield _gauge(
        "messages",
        "Messages and skipped rows by status and reason, by the ledger.",
        {
            (each.campaign, *of): count
            for each in campaigns
            for of, count in _few(each.messages.items()).items()
        },
        "campaign",
        "status",
        "reason",
    )
    yield _gauge(
        "braked",
        "Whether something stops the campaign.",
        {(each.campaign, how): each.brake == how for each in campaigns for how in _STOPS},
        "campaign",
        "how",
    )
    for name, what in (("replied", "have answered"), ("opted_out", "have opted out")):
        yield _gauge(
            f"people_{name}",
            f"People of the campaign who {what}, as far as replies were read.",
            {(each.campaign,): getattr(each, name) for each in campaigns},
            "campaign",
        )
    yield _gauge(
        "last_sent_timestamp_seconds",
        "When the campaign's last message was sent.",
        {(each.campaign,): at for each in campaigns if (at := each.last_sent_at) is not None},
        "campaign",
    )


def _few(messages: Iterable[tuple[tuple[str, str], int]]) -> dict[tuple[str, str], int]:
    """Return the most frequent reasons of each status, and the rest together."""
    found: dict[tuple[str, str], int] = {}
    told: dict[str, set[str]] = {}
    for (status, reason), count in sorted(messages, key=lambda item: -item[1]):
        known, label = told.setdefault(status, set()), code(reason)
        if label and label not in known and len(known) >= MOST_REASONS:
            label = OTHER
        known.add(label)
        found[status, label] = found.get((status, label), 0) + count
    return found


def _of_lanes(lanes: list[LaneFigures]) -> Iterator[Metric]:
    yield _gauge(
        "messages_due",
        "Queued messages that nothing makes wait: no limit, no schedule, no stop.",
        {(campaign,): count for each in lanes for campaign, count in each.due.items()},
        "campaign",
    )
    yield _gauge(
        "in_flight",
        "Messages that are begun and have no outcome yet.",
        {(each.lane,): each.in_flight for each in lanes},
        "lane",
    )
    yield _gauge(
        "lane_stopped",
        "Whether the API has stopped the whole lane.",
        {(each.lane,): each.stopped for each in lanes},
        "lane",
    )
    yield _gauge(
        "sender_stopped",
        "Whether the API has stopped the sender.",
        {(each.lane, who): stopped for each in lanes for who, stopped in each.senders.items()},
        "lane",
        "sender",
    )
    limits = [(each.lane, limit) for each in lanes for limit in each.limits]
    yield _gauge(
        "permits_left",
        "Requests that the team may make now, by window.",
        {(lane, limit.window): limit.left for lane, limit in limits if not limit.sender},
        "lane",
        "window",
    )
    yield _gauge(
        "permits_limit",
        "Requests that the team may make in a window.",
        {
            (lane, limit.window): limit.most
            for lane, limit in limits
            if not limit.sender and limit.most is not None
        },
        "lane",
        "window",
    )
    yield _gauge(
        "sender_permits_left",
        "Messages that the sender may send now, by window.",
        {(lane, each.sender, each.window): each.left for lane, each in limits if each.sender},
        "lane",
        "sender",
        "window",
    )
    yield _gauge(
        "api_end_timestamp_seconds",
        "When the campaign's version of the API is announced to stop.",
        {of: at for each in lanes for of, at in each.ends.items()},
        "campaign",
        "version",
    )
