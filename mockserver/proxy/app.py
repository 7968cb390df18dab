"""The proxy: an ASGI application that passes each request on to the service, and judges both sides of it."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from msgspec import structs

from mockserver import api as packs
from mockserver.answer.body import BODILESS, SEQUENCES
from mockserver.answer.errors import bad_scope
from mockserver.answer.render import finding_fields
from mockserver.api import Draft
from mockserver.contract.router import NO_MATCH
from mockserver.control.app import Control, open_log, ready_text
from mockserver.delivery import connection_of, without_chunks
from mockserver.engine import Mock
from mockserver.errors import StoreError
from mockserver.journal.exchange import SERVICE, Entry
from mockserver.messages import (
    LONGEST_TARGET,
    Delivery,
    Finding,
    Headers,
    Request,
    Response,
    is_control,
    too_long,
)
from mockserver.proxy.forward import (
    Arrived,
    ClientLeftError,
    ClientSlowError,
    Conversation,
    Head,
    SentBody,
    Service,
    ServiceError,
)
from mockserver.proxy.judge import (
    UNJUDGED,
    Answered,
    AnswerJudgement,
    Budget,
    Copy,
    RequestJudgement,
    judge_answer,
    judge_request,
    kind_of_body,
    own_fields,
    stub_of,
    unjudged,
)
from mockserver.proxy.recording import RecordingWriter, stream_of
from mockserver.server.asgi import App, Listening, Receive, Scope, Send
from mockserver.server.tls import Tls, open_own_tls
from mockserver.server.uvicorn import address, bind, serve
from mockserver.stub.rules import Taken

HELD_BYTES = 1_048_576
"""An answer that is no stream is held back up to so many bytes, so that its head can say what is wrong with it."""

HELD_SECONDS = 0.25
"""How long it is held back at most, in seconds."""

log = logging.getLogger("mockserver")


class Counts:
    """What a proxy counts, for the end of its run."""

    def __init__(self) -> None:
        self.exchanges = self.requests = self.answers = self.unjudged = 0

    def add(self, findings: Sequence[Finding]) -> None:
        """Count an exchange: whose errors it shows."""
        errors = {each.fault for each in findings if each.level == "error"}
        self.exchanges += 1
        self.requests += "client" in errors
        self.answers += "server" in errors
        self.unjudged += any(each.rule == UNJUDGED for each in findings)

    def fails(self, on: str) -> bool:
        """Return whether a run fails: on wrong answers of the service, on wrong requests, on any or none of them."""
        found = {"response": self.answers, "request": self.requests, "any": self.answers + self.requests, "none": 0}
        return found[on] > 0

    def __str__(self) -> str:
        parts = [
            f"{self.exchanges} exchange{'s' * (self.exchanges != 1)}",
            f"{self.requests} with a wrong request",
            f"{self.answers} with a wrong answer",
        ]
        return ", ".join([*parts, *([f"{self.unjudged} not judged"] if self.unjudged else [])])


class Proxy(App):
    """The ASGI application; the control routes are its own."""

    def __init__(
        self,
        mock: Mock,
        service: Service,
        writer: RecordingWriter | None = None,
        requests: Listening | None = None,
    ) -> None:
        super().__init__(mock, control=Control(mock), cors=False, requests=requests)
        self.mock, self.service, self.writer = mock, service, writer
        self.counts, self.budget = Counts(), Budget(mock.settings.max_in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or is_control(scope["path"]):
            await super().__call__(scope, receive, send)
            return
        passage = Passage(self, scope, receive, send)
        try:
            await passage.run()
        finally:
            await passage.close()

    async def deliver(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Send an answer of our own."""
        await self._deliver(response, response.delivery or Delivery(), scope, receive, send)

    def refused(self, request: Request) -> Response | None:
        """Refuse a request whose head is too long."""
        wrong = too_long(request.path, request.query, request.headers)
        short = structs.replace(request, path=request.path[:LONGEST_TARGET], query="")
        return None if wrong is None else self.refusal(short, *wrong)

    def refusal(self, request: Request, status: int, message: str) -> Response:
        """Refuse a request that is not read to its end, and close the connection."""
        return self._closing(request, status, message)

    def note(self, request: Request, status: int, findings: Sequence[Finding], began: int) -> None:
        """Count an exchange, and log what is wrong with it; `began` is when it came, in nanoseconds since 1970.

        A line about the request says the first thing that is wrong; warnings say the others, or all without such lines.
        """
        self.counts.add(findings)
        told = self.mock.redactor.findings(tuple(each for each in findings if each.level != "note"), request)
        if self._requests is not None:
            took = (self.mock.now() - began) / 1_000_000_000
            fields = finding_fields(told[0], "") if told else ()
            self._requests.add(request.method, request.path, request.query, request.headers, status, fields, took)
        for each in told[self._requests is not None :]:
            place = f" ({each.contract})" if each.contract else ""
            where = each.where or "the exchange"
            text = f"{request.method} {request.path} -> {status}: {each.fault}: {where}: {each.message}{place}"
            log.warning("%s", text.encode("unicode_escape").decode("ascii"))


class Passage:
    """One exchange on its way through the proxy."""

    def __init__(self, proxy: Proxy, scope: Scope, receive: Receive, send: Send) -> None:
        self._proxy, self._mock, self._scope, self._receive, self._send = proxy, proxy.mock, scope, receive, send
        most = self._mock.settings.max_body
        self._sent, self._came = Copy(most, proxy.budget), Copy(most, proxy.budget)
        self._body = SentBody(receive, self._sent.add, proxy.service.timeout)
        self._talk: Conversation | None = None
        self._gone: asyncio.Future[None] | None = None
        self._at, self._started = self._mock.now(), 0.0
        self._held = list[bytes]()
        self._has_head = False
        self._judged: RequestJudgement | None = None
        self._taken: Taken | None = None
        """The stub that damages the answer of the service."""
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        self.request = Request(scope["method"], path, query, Headers(list(scope["headers"])))
        self._match = NO_MATCH

    async def run(self) -> None:
        """Pass the request on, and the answer back."""
        request = self.request
        if (refused := self._proxy.refused(request)) is not None:
            await self._deliver(refused)
            return
        self.request, wrong = self._mock.placed(request)
        if wrong is not None:
            await self._deliver(self._mock.instead(request, bad_scope(wrong)))
            return
        self._match = self._mock.served.router.match(request.method, self.request.path, request.headers)
        try:
            if not (self._mock.served.stubs.entries(self.request.scope) and await self._stubbed()):
                await self._forward()
        except ClientLeftError:
            return
        except ClientSlowError:
            await self._deliver(self._proxy.refusal(self.request, 408, "The body did not arrive in time."))

    async def close(self) -> None:
        """Let go of the connection to the service, and of the copies."""
        if self._gone is not None:
            self._gone.cancel()
        if self._talk is not None:
            await self._talk.close()
        self._sent.release()
        self._came.release()

    async def _deliver(self, response: Response) -> None:
        if self._gone is not None:  # from here on the edge looks whether the client leaves
            self._gone.cancel()
        await self._proxy.deliver(response, self._scope, self._receive, self._send)

    async def _stubbed(self) -> bool:
        """Answer by a stub, if one matches that does not leave the answer to the service.

        A request whose body is too long for that goes to the service.
        """
        await self._body.read_ahead(self._mock.settings.max_body)
        if not self._body.ended.is_set():
            return False
        judged = self._judge_request()
        stub = stub_of(self._mock, judged, self._match)
        if stub is None or stub[1].step.is_usual:
            self._taken = None if stub is None else stub[1]
            return False
        response = self._mock.stubbed(self._match, *stub)
        self._proxy.note(self.request, response.status, judged.findings, self._at)
        await self._deliver(response)
        return True

    async def _forward(self) -> None:
        """Ask the service."""
        request = self.request
        target = (request.path or "/") + ("?" + request.query if request.query else "")
        self._talk = self._proxy.service.ask(request.method, target, request.headers.raw, self._body)
        self._gone = asyncio.ensure_future(self._body.left())
        try:
            head = await self._next()
        except ServiceError as error:
            await self._unreachable(str(error))
            return
        if isinstance(head, Head):
            await (self._pass_back(head) if self._taken is None else self._pass_damaged(head, self._taken))

    async def _unreachable(self, why: str) -> None:
        """Answer 502: the service gave no answer."""
        text = f"The service at {self._proxy.service.url} gave no answer: {why}."
        finding = Finding("/response", "unreachable", text, "server")
        asked = self._judge_request()
        response = self._mock.instead(asked.request, Draft(502, {"detail": text}, findings=(finding,)))
        self._proxy.note(self.request, 502, (*asked.findings, finding), self._at)
        await self._deliver(response)

    async def _next(self, until: float | None = None) -> Arrived:
        """Return what comes next of the service; ClientLeftError once the client has left, TimeoutError at a time."""
        if self._talk is None or self._gone is None:
            raise ClientLeftError
        waiting = asyncio.ensure_future(self._talk.next())
        try:
            left = None if until is None else max(0.0, until - time.monotonic())
            await asyncio.wait((waiting, self._gone), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ClientLeftError if self._gone.done() else TimeoutError
            arrived = waiting.result()
        finally:
            waiting.cancel()
        if isinstance(arrived, Exception):
            raise arrived
        return arrived

    # -- the answer

    async def _pass_back(self, head: Head) -> None:
        """Pass an answer back: held until it is judged if it is short and comes soon, else as it arrives."""
        self._started = time.monotonic()
        judgement, broken, is_whole = None, "", False
        try:
            is_streamed = kind_of_body(head.headers) in SEQUENCES
            is_whole = await self._hold(0 if is_streamed else HELD_SECONDS, HELD_BYTES)
            if is_whole:
                judgement = self._judge(head, broken, is_whole=True)
            await self._send_held(head, judgement)
            while not is_whole:
                part = await self._next()
                is_whole = part is None
                if isinstance(part, bytes):
                    self._note(part)
                    await self._send({"type": "http.response.body", "body": part, "more_body": True})
            await self._send({"type": "http.response.body", "body": b""})
        except ServiceError as error:
            broken = str(error)
            judgement = self._judge(head, broken, is_whole=False)
            await self._send_held(head, judgement)
            connection = connection_of(self._send)
            if connection is not None:
                connection.close()
        finally:
            self._finish(head, judgement or self._judge(head, broken, is_whole=is_whole), is_whole=is_whole)

    async def _pass_damaged(self, head: Head, taken: Taken) -> None:
        """Pass an answer back with the faults of a stub: it is held until it is whole, or no more can be."""
        self._started = time.monotonic()
        try:
            is_whole = await self._hold(self._proxy.service.timeout, self._mock.settings.max_body)
        except ServiceError as error:
            await self._unreachable(str(error))
            return
        if self._came.size > self._mock.settings.max_body:
            log.warning(
                "%s %s: the answer is too long for the faults of a stub", self.request.method, self.request.path
            )
            self._taken = None
            await self._pass_back(head)
            return
        judgement = self._judge(head, "", is_whole=is_whole)
        found = self._mock.redactor.findings((*self._judge_request().findings, *judgement.findings), self.request)
        fields = [field for field in head.headers if field[0] != b"content-length"]
        fields += own_fields(self._match, found, SERVICE)
        body, stream = b"".join(self._held), None
        if kind_of_body(head.headers) in SEQUENCES:
            stream = stream_of(body, head.headers)
        elif self.request.method != "HEAD" and head.status not in BODILESS:
            fields.append((b"content-length", b"%d" % len(body)))
        response = Response(head.status, fields, b"" if stream else body, stream, findings=found, source=SERVICE)
        response, _ = self._mock.damaged(self.request, self._match, response, taken)
        self._finish(head, judgement, is_whole=is_whole)
        await self._deliver(response)

    async def _hold(self, seconds: float, most: int) -> bool:
        """Hold an answer back for as long as that may be; return whether it came whole."""
        until = self._started + seconds
        try:
            while self._came.size <= most:
                part = await self._next(until)
                if part is None:
                    return True
                if isinstance(part, bytes):
                    self._note(part)
                    self._held.append(part)
        except TimeoutError:
            pass
        return False

    def _note(self, part: bytes) -> None:
        """Take a copy of a part, and note when it came."""
        self._came.add(part, time.monotonic() - self._started)

    async def _send_held(self, head: Head, judgement: AnswerJudgement | None) -> None:
        """Send the head of an answer, with what is known to be wrong by now, and what was held."""
        if self._has_head:
            return
        self._has_head = True
        found = (*self._judge_request().findings, *(() if judgement is None else judgement.findings))
        shown = self._mock.redactor.findings(found, self.request)
        headers = [*head.headers, *own_fields(self._match, shown, SERVICE)]
        if head.status in BODILESS:  # the server below sends no length where there is no body
            headers = [field for field in headers if field[0] != b"content-length"]
        elif self._scope.get("http_version") == "1.0" and all(name != b"content-length" for name, _ in headers):
            without_chunks(self._send)
        await self._send({"type": "http.response.start", "status": head.status, "headers": headers})
        for part in self._held:
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
        self._held.clear()

    # -- judgement

    def _judge_request(self) -> RequestJudgement:
        """Judge the request, once it has come whole."""
        if self._judged is not None:
            return self._judged
        request = structs.replace(self.request, body=self._sent.body)
        if self._body.ended.is_set():
            self._judged = judge_request(self._mock, request, self._match, self._sent.why)
            return self._judged
        return RequestJudgement(request, findings=(unjudged("/body", "it had not come whole when it was answered"),))

    def _judge(self, head: Head, broken: str, *, is_whole: bool) -> AnswerJudgement:
        answered = Answered(head.status, Headers(head.headers), self._came, broken, is_cut=not is_whole)
        return judge_answer(self._mock, self._judge_request(), self._match, answered)

    def _finish(self, head: Head, judgement: AnswerJudgement, *, is_whole: bool) -> None:
        """Record an exchange that has passed, in the journal and elsewhere."""
        mock, asked = self._mock, self._judge_request()
        findings = mock.redactor.findings((*asked.findings, *judgement.findings), asked.request)
        body = self._came.body if judgement.body is None else judgement.body
        response = Response(head.status, head.headers, body, findings=findings, source=SERVICE)
        entry = Entry(
            at=self._at, request=asked.request, match=self._match, contract=mock.served.newest, response=response
        )
        taken = self._taken
        shown = entry if taken is None else structs.replace(entry, stub=taken.entry.number, faults=taken.faults)
        try:
            mock.record(shown)
        except StoreError as error:
            log.warning("an exchange is missing in the journal: %s", error.what)
        if self._proxy.writer is not None:
            readable = judgement.body if asked.is_read else None
            self._proxy.writer.write(entry, readable, self._came.times, is_whole=is_whole)
        self._proxy.note(asked.request, head.status, findings, self._at)


def run_proxy(mock: Mock, service: Service, folder: Path | None, fail_on: str, say: Callable[[str], None]) -> int:
    """Stand before a service until SIGINT or SIGTERM; return the exit code. `folder` takes a recording."""
    settings = mock.settings
    writer = None if folder is None else RecordingWriter(folder, mock)
    listener, lines = bind(settings.host, settings.port), open_log(mock)
    proxy = Proxy(mock, service, writer, lines.requests)
    # SystemExit is a signal, after which the verdict is still to come
    with suppress(SystemExit), closing(lines), open_own_tls(settings) as tls:
        serve(
            proxy,
            listener,
            shutdown_timeout=settings.shutdown_timeout,
            head_timeout=settings.head_timeout,
            on_ready=lambda: say(ready_lines(mock, service, address(listener, tls), tls)),
            date=False,
            tls=tls,
        )
    print(f"mockserver proxy: {proxy.counts}", file=sys.stderr, flush=True)
    if writer is not None:
        print(f"mockserver proxy: {writer}", file=sys.stderr, flush=True)
    return 1 if proxy.counts.fails(fail_on) else 3 if writer is not None and writer.lost else 0


def ready_lines(mock: Mock, service: Service, url: str, tls: Tls | None) -> str:
    """Describe in one line what passes where, then how to point a client here."""
    first = f"mockserver stands at {url} before {service.url}: judged by {packs.describe(mock.served.contracts)}"
    lines = [notes] if (notes := packs.describe_notes(mock.served.contracts)) else []
    lines += [f"export {name}={url}" for name in (() if mock.api is None else mock.api.client.url_variables)]
    return ready_text(mock.settings, url, first, *lines, tls=tls)
