"""The calls: title and the other operations beside plain servers, start, memory, calls in process, and growth."""

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks import pack, report, servers
from benchmarks.load import Bench, by_own, fill, limited, side_by_side
from benchmarks.peers import STEADY, WARM, install
from benchmarks.report import SAME, Row, Section
from benchmarks.servers import (
    ANY_TITLE,
    BARE,
    CHAT,
    CONTRACT,
    OURS,
    PLAIN,
    SESSION,
    TITLE_CALL,
    TITLE_PATH,
    Call,
    Command,
    Server,
)

TURN = json.dumps({"index_ids": ["idx-abc123"], "prompt": "How do I rotate the keys of an index?"})

PER_ROUND = 300
"""Calls in process of one round."""


def title(bench: Bench) -> Section:
    """Measure the title call beside a plain Starlette app and a bare ASGI callable."""
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        answer = Path(folder) / "answer.json"
        with servers.serving(servers.mock(), bench.cores) as running:
            answer.write_bytes(servers.first_answer(running, TITLE_CALL).body)
        others = [servers.reference(PLAIN, "plain"), servers.reference(BARE, "bare", answer)]
        found = side_by_side("title", [servers.mock(), *others], TITLE_CALL, bench)
    ours, plain, bare = found.values()
    peaks = [ours_mib / plain_mib for ours_mib, plain_mib in zip(ours.peaks, plain.peaks, strict=True)]
    rows = [
        Row(report.TITLE, PLAIN, ours.divided(plain, "rate")),
        Row(report.TITLE, BARE, ours.divided(bare, "rate")),
        Row("title: processor time of a call", PLAIN, ours.divided(plain, "server_us")),
        Row("title: processor time of a call", BARE, ours.divided(bare, "server_us")),
        Row(report.MEMORY, PLAIN, peaks),
    ]
    rows += [
        Row(f"title calls of {name}", "-", [one.rate for one in each.slices], "/s") for name, each in found.items()
    ]
    share = bare.median("server_us") / ours.median("server_us")
    note = f"Of the processor time of a title call, {share:.0%} is uvicorn's and the socket's: that of bare ASGI."
    return Section("The title call", rows, notes=[note, *limited(found)])


# -- the other operations ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that is measured, and the route of the plain app beside it."""

    measure: str
    call: Call
    route: str
    prepare: Callable[[int], object] = lambda _: None
    of: str = "rate"


_SUMMARY, _RETRIEVE = Call("GET", f"{CHAT}/{SESSION}/summary"), Call("GET", f"{CHAT}/{SESSION}")
_STREAM = Call("POST", f"{CHAT}/ses-{{n:06d}}/messages/stream", TURN)

_TITLED = partial(servers.ask, call=TITLE_CALL)
_WITH_TURN = partial(servers.ask, call=Call("POST", f"{CHAT}/{SESSION}/messages/stream", TURN))
_TEN_TITLED = partial(fill, call=ANY_TITLE, calls=10)

OPERATIONS = (
    Operation(report.SUMMARY, _SUMMARY, f"{CHAT}/{{id}}/summary", _TITLED),
    Operation(report.RETRIEVE, _RETRIEVE, f"{CHAT}/{{id}}", _TITLED),
    Operation("retrieve after a turn: throughput", _RETRIEVE, f"{CHAT}/{{id}}", _WITH_TURN),
    Operation(report.LIST, Call("GET", CHAT), CHAT, _TEN_TITLED),
    Operation("create: throughput", Call("POST", CHAT, "{}", 201), CHAT),
    Operation("create and delete, by turns: throughput", Call("POST", CHAT, "{}", 201, delete=True), CHAT),
    Operation("stream of a turn: bytes a second", _STREAM, f"{CHAT}/{{id}}/messages/stream", of="byte_rate"),
)


def operations(bench: Bench) -> Section:
    """Measure the other operations, each beside a plain Starlette app with that one route and the same bytes."""
    rows, notes = [], list[str]()
    for each in OPERATIONS:
        with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
            routes = Path(folder) / "routes.json"
            routes.write_text(json.dumps(routes_of(each, bench)), "utf-8")
            compared = [servers.mock(prepare=each.prepare), servers.reference(SAME, "same", routes)]
            found = side_by_side(each.measure.partition(":")[0], compared, each.call, bench)
        rows.append(Row(each.measure, SAME, found[OURS].divided(found[SAME], each.of)))
        notes += limited(found)
    return Section("The other operations", rows, notes=notes)


def routes_of(operation: Operation, bench: Bench) -> Sequence[Mapping[str, Any]]:
    """Ask the mock, and return the routes of an app that returns the same bytes; of streams, a usual one."""
    with servers.serving(servers.mock(), bench.cores) as running:
        servers.first_answer(running, Call("GET", CHAT))
        operation.prepare(running.port)
        numbers = range(25 if "{n" in operation.call.path else 1)
        answers = [servers.checked(running, operation.call, each) for each in numbers]
    answer = sorted(answers, key=lambda each: len(each.body))[len(answers) // 2]
    route = route_of(answer, operation.call, operation.route)
    if str(route["type"]).startswith("text/event-stream"):
        route = {**route, "events": [f"{each}\n\n" for each in route["body"].split("\n\n") if each]}
    deleted = {"path": f"{CHAT}/{{id}}", "method": "DELETE", "status": 204, "type": None, "body": ""}
    return [route, *([deleted] if operation.call.delete else [])]


def route_of(answer: servers.Answer, call: Call, path: str) -> Mapping[str, Any]:
    """Return the route of a plain app that gives an answer again."""
    told = {"status": answer.status, "type": answer.headers["content-type"], "body": answer.body.decode()}
    return {"path": path, "method": call.method, **told}


def same_operation_elsewhere(bench: Bench) -> Section:
    """Measure the title operation under another name and path, with a pack of its own, beside the title."""
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        install_pack(Path(folder))
        call = Call("POST", pack.PATH.format(note_id=SESSION), json.dumps({"words": servers.MESSAGE}))
        notes = servers.mock(pack.NAME, "--api", pack.NAME, call=call)
        other = replace(notes, command=lambda port: ["env", f"PYTHONPATH={folder}", *notes.command(port)])
        found = side_by_side("the same operation elsewhere", [servers.mock("title"), other], TITLE_CALL, bench)
    theirs, ours = found["title"], found[pack.NAME]
    rows = [
        Row(report.ELSEWHERE, "title", ours.divided(theirs, "rate")),
        Row("the same: processor time of a call", "title", ours.divided(theirs, "server_us")),
    ]
    return Section("The title operation elsewhere", rows, notes=limited(found))


def install_pack(folder: Path) -> None:
    """Put the pack into a folder as a distribution, with the title operation of the contract under other names."""
    shutil.copy(pack.__file__, folder / "benchmark_pack.py")
    made = folder / "benchmark_pack-1.dist-info"
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: benchmark-pack\nVersion: 1\n", "utf-8")
    (made / "entry_points.txt").write_text(f"[mockserver.apis]\n{pack.NAME} = benchmark_pack:API\n", "utf-8")
    contract = yaml.safe_load(CONTRACT.read_text("utf-8"))
    text = json.dumps({**contract, "paths": {pack.PATH: contract["paths"][TITLE_PATH]}})
    for name, other in RENAMED.items():
        text = text.replace(name, other)
    (folder / "notes.json").write_text(text, "utf-8")


RENAMED = {
    "session_id": "note_id",
    "set_title": "make_heading",
    "first_message": "words",
    "generated_title": "heading",
    "last_updated_at": "changed_at",
    "job_metadata": "work",
    "index_ids": "sources",
}
"""How the words of the title operation are called in the contract of the pack."""


# -- start, and calls in process ---------------------------------------------------------------------------------------


class Start(NamedTuple):
    """One start, from a new process to its first right answer, and the peak of the memory then."""

    ms: float
    mib: float


def start(bench: Bench) -> Section:
    """Measure the time from a new process to its first right answer."""
    ours, plain = starts("start", [servers.mock(), servers.reference(PLAIN, "plain")], TITLE_CALL, bench, bench.starts)
    figures = [
        Row(f"start of {name}", "-", [one.ms for one in each], "ms") for name, each in ((OURS, ours), (PLAIN, plain))
    ]
    return Section("Start", [Row(report.START_UP, PLAIN, slower(ours, plain)), *figures])


def starts(what: str, compared: Sequence[Server], call: Call, bench: Bench, times: int) -> Sequence[Sequence[Start]]:
    """Start servers by turns, so many times each; a first time, which fills the caches of the disk, does not count."""
    found: dict[str, list[Start]] = {each.name: [] for each in compared}
    for number in range(times + 1):
        servers.say(f"{what}: {number} of {times}")
        for each in compared[:: -1 if number % 2 else 1]:
            with servers.serving(each, bench.cores) as running:
                moment = servers.first_answer(running, call).moment
                took = Start((moment - running.began) * 1000, servers.memory_mib(running.process.pid))
            found[each.name].append(took)
    return [each[1:] for each in found.values()]


def slower(ours: Sequence[Start], theirs: Sequence[Start]) -> Sequence[float]:
    """Divide the times of our starts by those of others, round by round."""
    return [mine.ms / other.ms for mine, other in zip(ours, theirs, strict=True)]


def in_process(bench: Bench) -> Section:
    """Measure a title call through our httpx transport beside httpx's own to a plain Starlette app."""
    servers.say(f"in process: {bench.calls} rounds")
    command: Command = [servers.PYTHON, "-c", servers.RUN_REFERENCE, "in-process", str(bench.calls), str(PER_ROUND)]
    found = json.loads(servers.output(command, bench.cores.server))
    ratios = [ours / plain for ours, plain in zip(found["mock"], found["plain"], strict=True)]
    ours = Row("title in process", "-", found["mock"], "µs")
    return Section("In process", [Row(report.IN_PROCESS, report.TRANSPORT, ratios), ours])


# -- any document ------------------------------------------------------------------------------------------------------

THING = Call("GET", "/area0/things/1")
MAKE = Call("POST", THING.path, json.dumps({"name": "A name", "count": 3}))
FEW, MANY, LARGE, LARGE_FIELDS = 7, 2_000, 220, 60
"""How many operations the documents have; a large one has so many fields in each answer: about 2 MiB as JSON."""


def documented(bench: Bench) -> Section:
    """Measure a GET whose answer is in the document, beside a plain Starlette app that returns the same bytes."""
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        ours, routes = mock_of(Path(folder), FEW), Path(folder) / "routes.json"
        with servers.serving(ours, bench.cores) as running:
            answer = servers.first_answer(running, THING)
        routes.write_text(json.dumps([route_of(answer, THING, "/area0/things/{id}")]), "utf-8")
        found = side_by_side("documented", [ours, servers.reference(SAME, "same", routes)], THING, bench)
    rate, spent = (found[OURS].divided(found[SAME], figure) for figure in ("rate", "server_us"))
    rows = [
        Row(report.DOCUMENTED, SAME, rate),
        Row("GET with a documented answer: processor time of a call", SAME, spent),
    ]
    return Section("A documented answer", rows, notes=limited(found))


def generated(bench: Bench) -> Section:
    """Measure a POST whose answer is made up anew for each request, beside the fastest tool that validates."""
    rows, notes = [], list[str]()
    install(STEADY)
    for fields in report.FIELDS:
        with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
            path = write(Path(folder) / "made.json", document(1, fields, method="post"))
            compared = [servers.mock(OURS, "--contract", path), steady(path, "--generator-seed=-1")]
            compared = [replace(each, prepare=warmed) for each in compared]
            found = side_by_side(f"{fields} made fields", compared, MAKE, bench)
        rate, spent = (found[OURS].divided(found[STEADY.name], figure) for figure in ("rate", "server_us"))
        rows += [
            Row(report.GENERATED.format(fields), report.STEADY, rate),
            Row(f"POST with {fields} made fields: processor time of a call", report.STEADY, spent),
        ]
        rows += [
            Row(f"calls with {fields} made fields of {name}", "-", [one.rate for one in each.slices], "/s")
            for name, each in found.items()
        ]
        notes += limited(found)
    return Section("Made answers", rows, notes=notes)


def warmed(port: int) -> None:
    """Stop if a server does not validate, or answers two calls alike; then load it, as most compile as they run."""
    if servers.ask(port, replace(MAKE, body='{"name": "A name"}')).status not in (400, 422):
        raise servers.Stop("a body without a required field was not refused")
    if len({servers.ask(port, MAKE).body for _ in range(5)}) == 1:
        raise servers.Stop("the answers are not distinct")
    by_own(port, MAKE, WARM)


def large(bench: Bench) -> Section:
    """Measure the start on a large document, from the cache of documents and without it, beside that of a tool."""
    rows, peaks = [], list[float]()
    install(STEADY)
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        made = document(LARGE, LARGE_FIELDS)
        as_json = write(Path(folder) / "large.json", made)
        as_yaml = write_yaml(as_json.with_suffix(".yaml"), made)
        for (what, path), same in itertools.product(((report.JSON, as_json), (report.YAML, as_yaml)), (False, True)):
            caches = (Path(folder, f"{path.suffix}-{0 if same else number}") for number in itertools.count())
            compared = [cached(path, caches), steady(path)]
            measure = f"{what}, {'from the cache' if same else 'the first time'}"
            found = starts(measure, compared, THING, bench, bench.rounds)
            rows.append(Row(measure, report.STEADY, slower(*found)))
            for each, took in zip(compared, found, strict=True):
                rows.append(Row(f"{measure}: {each.name}", "-", [one.ms for one in took], "ms"))
            peaks += [one.mib for one in found[0]]
    note = f"{LARGE} operations, {len(json.dumps(made)) / 2**20:.1f} MiB as JSON; to the first right answer."
    return Section("A large document", [*rows, Row(report.LARGE_MEMORY, "-", peaks, "MiB")], notes=[note])


def many(bench: Bench) -> Section:
    """Measure the start on very many operations, and the calls of one of them beside those of one of few."""
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        (took,) = starts("many", [mock_of(Path(folder), MANY)], THING, bench, bench.rounds)
        compared = [replace(mock_of(Path(folder), count), name=f"{count:,} operations") for count in (MANY, FEW)]
        found = side_by_side("many operations", compared, THING, bench)
    more, less = found.values()
    rows = [
        Row(report.MANY_START, "-", [one.ms for one in took], "ms"),
        Row(report.MANY, report.FEW, more.divided(less, "rate")),
        Row("2,000 operations: processor time of a call", report.FEW, more.divided(less, "server_us")),
    ]
    return Section("Many operations", rows, notes=limited(found))


def mock_of(folder: Path, operations: int) -> Server:
    """Return the mock of a document of so many operations whose answers are documented."""
    return servers.mock(OURS, "--contract", write(folder / f"{operations}.json", document(operations, 5, example=True)))


def cached(path: Path, caches: Iterator[Path]) -> Server:
    """Return the mock of a document, with the next folder for its cache at each start."""
    plain = servers.mock(OURS, "--contract", path)
    return replace(plain, command=lambda port: ["env", f"MOCKSERVER_CACHE={next(caches)}", *plain.command(port)])


def steady(path: Path, *options: str) -> Server:
    """Return Steady on a document."""
    return Server(STEADY.name, lambda port: [*STEADY.command(port)[:-1], *options, path])


def write(path: Path, made: Mapping[str, Any]) -> Path:
    """Write a document as JSON, and return its path."""
    path.write_text(json.dumps(made), "utf-8")
    return path


def write_yaml(path: Path, made: Mapping[str, Any]) -> Path:
    """Write a document as YAML, what stands in several places in each of them, and return its path."""
    path.write_text(yaml.dump(json.loads(json.dumps(made)), Dumper=yaml.CSafeDumper), "utf-8")
    return path


_KINDS: Sequence[tuple[Mapping[str, str], Any]] = (
    ({"type": "string"}, "a text"),
    ({"type": "integer"}, 7),
    ({"type": "boolean"}, True),
    ({"type": "number"}, 2.5),
    ({"type": "string", "format": "date-time"}, "2026-04-22T12:34:41Z"),
)
"""The schemas of fields, and examples of them."""


def document(operations: int, fields: int, *, method: str = "get", example: bool = False) -> Mapping[str, Any]:
    """Make a document whose operations each have a schema of their own; ten at a time refer to each other in a ring."""
    text = "What the field means to those who read it, in a sentence of the usual length."
    own = {f"field_{at}": {**_KINDS[at % 5][0], "description": text} for at in range(fields)}
    values = {"example": {f"field_{at}": _KINDS[at % 5][1] for at in range(fields)}} if example else {}
    taken = {"name": {"type": "string"}, "count": {"type": "integer", "minimum": 0}}
    sent = {"type": "object", "required": [*taken], "properties": taken}
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": sent}}}}
    paths, schemas = dict[str, Any](), dict[str, Any]()
    for number in range(operations):
        following = f"#/components/schemas/Thing{number - number % 10 + (number + 1) % 10}"
        ring = {"next": {"anyOf": [{"$ref": following}, {"type": "null"}]}} if operations % 10 == 0 else {}
        schemas[f"Thing{number}"] = {"type": "object", "required": [*own], "properties": {**own, **ring}}
        media = {"schema": {"$ref": f"#/components/schemas/Thing{number}"}, **values}
        paths[f"/area{number}/things/{{id}}"] = {
            method: {
                "operationId": f"{method}_{number}",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                **(body if method == "post" else {}),
                "responses": {"200": {"description": "A thing", "content": {"application/json": media}}},
            }
        }
    info = {"title": "Things", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


# -- growth ------------------------------------------------------------------------------------------------------------

TIMES = 1_000
SESSIONS, ENTRIES = 100, 10
"""The smaller size of each."""


def growth(bench: Bench) -> Section:
    """Measure the processor time of a call among ever more of what is kept."""
    sessions = [with_sessions(SESSIONS), with_sessions(SESSIONS * TIMES)]
    journals = [with_journal(ENTRIES), with_journal(ENTRIES * TIMES)]
    rows = [
        cost("call, sessions", sessions, ANY_TITLE, bench),
        cost("call, entries of the journal", journals, TITLE_CALL, bench),
    ]
    lines = [[each.measure, each.against, *each.cells, f"{log(each.median) / log(TIMES):+.3f}"] for each in rows]
    head = ["cost, and what grows", "sizes", "cost at the larger", "spread", "log-log slope"]
    note = "Slope 0 is constant, 1 linear. The cost of a call is the server's processor time."
    return Section("Growth", tables=[[head, *lines]], notes=[note])


def with_sessions(count: int) -> Server:
    """Return a mock with so many sessions, which is asked for titles of sessions drawn among them."""
    prepare = partial(fill, call=ANY_TITLE, calls=count)
    return servers.mock(f"{count:,}", prepare=prepare, call=replace(ANY_TITLE, among=count))


def with_journal(size: int) -> Server:
    """Return a mock with a full journal of a size."""
    prepare = partial(fill, call=ANY_TITLE, calls=ENTRIES * TIMES)
    return servers.mock(f"{size:,}", "--journal-size", str(size), prepare=prepare)


def cost(measure: str, compared: Sequence[Server], call: Call, bench: Bench) -> Row:
    """Divide the processor time of a call at the larger server by that at the smaller one."""
    small, large = side_by_side(f"growth: {measure}", compared, call, bench).values()
    return Row(measure, " to ".join(each.name for each in compared), large.divided(small, "server_us"))
