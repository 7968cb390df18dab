"""Replays a recording: each request gets what was recorded for it, in the order in which it was, and nothing else."""

import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from msgspec import structs

from mockserver.answer.body import BODILESS
from mockserver.answer.errors import bad_scope
from mockserver.api import Draft
from mockserver.contract.router import Match
from mockserver.control.app import make_app, open_log, ready_text
from mockserver.engine import Mock
from mockserver.journal.exchange import Entry, Exchange
from mockserver.messages import Finding, Request, Response
from mockserver.proxy.judge import judge_request, own_fields, stub_of
from mockserver.proxy.recording import Recording, RequestKey, key_of, scrubbed, stream_of
from mockserver.server.tls import open_own_tls
from mockserver.server.uvicorn import address, bind, serve
from mockserver.settings import Settings

RECORDED = "recorded"
"""The source of answers that were recorded."""

UNRECORDED = "unrecorded"
"""The rule of requests that were not."""

NOT_RECORDED = 501
"""The status of their answers: no service answers so, and clients need not try again."""

MOST_TOLD = 100
"""How many requests that were not recorded are told at the end."""


class ReplayMock(Mock):
    """A mock that answers with what was recorded; its stubs come first, and requests are judged by its contract."""

    def __init__(self, settings: Settings, recordings: Sequence[Recording]) -> None:
        super().__init__(settings)
        self.recordings = recordings
        self._places: dict[RequestKey, list[int]] = {}
        for place, each in enumerate(recordings):
            self._places.setdefault(each.key, []).append(place)
        self._paths = {each.exchange.path for each in recordings}
        self._played: dict[tuple[str, RequestKey], int] = {}
        """How often each request came, in each scope."""
        self._asked = set[int]()
        self.unrecorded: list[str] = []
        """The requests that were not recorded, as far as they are told."""

    @property
    def unasked(self) -> list[Recording]:
        """The recorded exchanges that nobody asked for."""
        return [each for place, each in enumerate(self.recordings) if place not in self._asked]

    def owns(self, path: str) -> bool:
        """Return whether a path is the API's, by the contracts or by the recording."""
        return path in self._paths or super().owns(path)

    def drop(self, scope: str) -> None:
        """Forget all of a scope; its recording begins anew."""
        super().drop(scope)
        self._played = {key: count for key, count in self._played.items() if key[0] != scope}

    def handle(self, request: Request) -> Response:
        """Answer a request by a stub, or with what was recorded for it; 501 if nothing was."""
        at = self.now()
        request, wrong = self.placed(request)
        if wrong is not None:
            return self.instead(request, bad_scope(wrong))
        match = self.served.router.match(request.method, request.path, request.headers)
        judged = judge_request(self, request, match)
        findings = judged.findings if match.operation is not None or match.allowed else ()
        stub = stub_of(self, judged, match)
        if stub is not None and not stub[1].step.is_usual:
            return self.stubbed(match, *stub)
        asked = _exchange(self, at, judged.request, match)
        found = self._next(request.scope, key_of(asked))
        if found is None:
            return self._refuse(request, asked)
        response = self._response(found, request, match, self.redactor.findings(findings, request))
        whole, number, faults = response, 0, ()
        if stub is not None:
            response, whole = self.damaged(judged.request, match, response, stub[1])
            number, faults = stub[1].entry.number, stub[1].faults
        entry = Entry(at=at, request=judged.request, match=match, contract=self.served.newest, response=whole)
        self.record(structs.replace(entry, stub=number, faults=faults))
        return response

    def _next(self, scope: str, key: RequestKey) -> Recording | None:
        """Return what comes next for a request; the last one comes again and again."""
        places = self._places.get(key)
        if places is None:
            return None
        count = self._played.get((scope, key), 0)
        self._played[scope, key] = count + 1
        place = places[min(count, len(places) - 1)]
        self._asked.add(place)
        return self.recordings[place]

    def _response(
        self, recording: Recording, request: Request, match: Match, findings: tuple[Finding, ...]
    ) -> Response:
        exchange = recording.exchange
        fields = [*exchange.answer_headers, *own_fields(match, findings, RECORDED)]
        stream = None
        if recording.pauses:
            stream = stream_of(exchange.answer, exchange.answer_headers, recording.pauses, self.settings.keep_alive)
        elif request.method != "HEAD" and exchange.status not in BODILESS:
            fields.append((b"content-length", b"%d" % len(exchange.answer)))
        body = b"" if stream is not None else exchange.answer
        return Response(exchange.status, fields, body, stream, findings=findings, source=RECORDED)

    def _refuse(self, request: Request, asked: Exchange) -> Response:
        """Answer a request that was not recorded."""
        text = f"{_line(asked)} was not recorded{self._nearest(asked)}."
        if len(self.unrecorded) < MOST_TOLD:
            self.unrecorded.append(text)
        finding = Finding("", UNRECORDED, text, "client")
        headers = ((b"x-should-retry", b"false"),)
        return self.instead(request, Draft(NOT_RECORDED, {"detail": text}, headers=headers, findings=(finding,)))

    def _nearest(self, asked: Exchange) -> str:
        """Name the recorded request that is most like another, and what differs."""
        key = key_of(asked)
        same = [each for each in self.recordings if each.exchange.path == asked.path]
        if not same:
            return ", nor anything else of its path"
        best = max(same, key=lambda each: sum(one == other for one, other in zip(each.key, key, strict=True)))
        parts = zip(("method", "path", "query", "body"), best.key, key, strict=True)
        names = [name for name, one, other in parts if one != other]
        return f"; the nearest is #{best.exchange.number}, {_line(best.exchange)}, with another {' and '.join(names)}"


def _exchange(mock: Mock, at: int, request: Request, match: Match) -> Exchange:
    """Return a request as it would be recorded."""
    nothing = Response(0, ())
    entry = Entry(at=at, request=request, match=match, contract=mock.served.newest, response=nothing)
    return scrubbed(entry, 0, mock.reading)


def _line(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.path}" + (f"?{exchange.query}" if exchange.query else "")


def summary(mock: ReplayMock) -> list[str]:
    """Return what a replay has come to, a line each: what was never asked for, and what was not recorded."""
    unasked, count = mock.unasked, len(mock.recordings)
    missing = len(mock.unrecorded)
    first = f"{count - len(unasked)} of {count} recorded exchanges were asked for"
    if missing:
        more = " or more" if missing == MOST_TOLD else ""
        first += f"; {missing}{more} request{'s were' if missing > 1 else ' was'} not recorded"
    left = [each.exchange for each in unasked]
    lines = [f"never asked for: #{each.number} {_line(each)} -> {each.status}" for each in left]
    return [*mock.unrecorded, *lines, first]


def run_replay(mock: ReplayMock, folder: Path, fail_on: str, say: Callable[[str], None]) -> int:
    """Replay until SIGINT or SIGTERM; return the exit code."""
    settings, listener = mock.settings, bind(mock.settings.host, mock.settings.port)
    count = len(mock.recordings)
    # SystemExit is a signal, after which the verdict is still to come
    with suppress(SystemExit), closing(open_log(mock)) as lines, open_own_tls(settings) as tls:
        url = address(listener, tls)
        first = f"mockserver replays {count} exchanges of {folder} at {url}"
        serve(
            make_app(settings, mock, lines),
            listener,
            shutdown_timeout=settings.shutdown_timeout,
            head_timeout=settings.head_timeout,
            on_ready=lambda: say(ready_text(settings, url, first, tls=tls)),
            tls=tls,
        )
    print(*(f"mockserver replay: {each}" for each in summary(mock)), sep="\n", file=sys.stderr, flush=True)
    found = {"unrecorded": bool(mock.unrecorded), "unasked": bool(mock.unasked), "none": False}
    return int(any(found.values()) if fail_on == "any" else found[fail_on])
