"""The calls: title and the other operations beside plain servers, start, memory, calls in process, and growth."""

import copy
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import log
from pathlib import Path
from typing import Any

import yaml

from benchmarks import pack, report, servers
from benchmarks.load import Bench, fill, limited, side_by_side
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
    body, kind = answer.body.decode(), answer.headers["content-type"]
    route = {"path": operation.route, "method": operation.call.method, "status": answer.status, "type": kind}
    if kind.startswith("text/event-stream"):
        return [{**route, "events": [f"{each}\n\n" for each in body.split("\n\n") if each]}]
    deleted = {"path": f"{CHAT}/{{id}}", "method": "DELETE", "status": 204, "type": None, "body": ""}
    return [{**route, "body": body}, *([deleted] if operation.call.delete else [])]


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


def start(bench: Bench) -> Section:
    """Measure the time from a new process to its first right answer."""
    found: dict[str, list[float]] = {OURS: [], PLAIN: []}
    compared = [servers.mock(), servers.reference(PLAIN, "plain")]
    for number in range(bench.starts + 1):
        servers.say(f"start: {number} of {bench.starts}")
        for each in compared[:: -1 if number % 2 else 1]:
            found[each.name].append(start_ms(each, TITLE_CALL, bench))
    ours, plain = (each[1:] for each in found.values())  # the first one fills the caches of the disk
    ratios = [mine / other for mine, other in zip(ours, plain, strict=True)]
    figures = [Row("start of mockserver", "-", ours, "ms"), Row("start of plain Starlette", "-", plain, "ms")]
    return Section("Start", [Row(report.START_UP, PLAIN, ratios), *figures])


def start_ms(server: Server, call: Call, bench: Bench) -> float:
    """Measure one start, in milliseconds."""
    with servers.serving(server, bench.cores) as running:
        return (servers.first_answer(running, call).moment - running.began) * 1000


def in_process(bench: Bench) -> Section:
    """Measure a title call through our httpx transport beside httpx's own to a plain Starlette app."""
    servers.say(f"in process: {bench.calls} rounds")
    command: Command = [servers.PYTHON, "-c", servers.RUN_REFERENCE, "in-process", str(bench.calls), str(PER_ROUND)]
    found = json.loads(servers.output(command, bench.cores.server))
    ratios = [ours / plain for ours, plain in zip(found["mock"], found["plain"], strict=True)]
    ours = Row("title in process", "-", found["mock"], "µs")
    return Section("In process", [Row(report.IN_PROCESS, report.TRANSPORT, ratios), ours])


# -- a large document --------------------------------------------------------------------------------------------------

LARGE_OPERATIONS, LARGE_FIELDS = 220, 70
"""How many operations a large document has, and how many fields the answer of each: about 2 MiB as JSON."""

LARGE_CALL = Call("GET", "/area7/things/1")


def large(bench: Bench) -> Section:
    """Measure the start on a large document, as JSON and as YAML, without the cache of documents and from it."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        document = large_document()
        Path(folder, "large.json").write_text(json.dumps(document), "utf-8")
        Path(folder, "large.yaml").write_text(yaml.dump(document, Dumper=yaml.CSafeDumper), "utf-8")
        for name, cache in itertools.product(("large.json", "large.yaml"), ("off", f"{folder}/cache")):
            command = cached_mock(Path(folder) / name, cache)
            found = [start_and_memory(command, bench) for _ in range(bench.rounds + 1)][1:]
            what = f"{name}, {'the first time' if cache == 'off' else 'from the cache'}"
            rows.append(Row(f"start on {what}", "-", [milliseconds for milliseconds, _ in found], "ms"))
            rows.append(Row(f"peak memory on {what}", "-", [mib for _, mib in found], "MiB"))
    note = f"{LARGE_OPERATIONS} operations, about 2 MiB; from a new process to the first right answer."
    return Section("Large document", rows, notes=[note])


def cached_mock(path: Path, cache: str) -> Server:
    """Return the mock of a document, with a folder for the cache, or "off"."""
    plain = servers.mock("large", "--contract", path)
    return replace(plain, command=lambda port: ["env", f"MOCKSERVER_CACHE={cache}", *plain.command(port)])


def start_and_memory(server: Server, bench: Bench) -> tuple[float, float]:
    """Measure one start, in milliseconds, and the memory at its peak, in MiB."""
    with servers.serving(server, bench.cores) as running:
        moment = servers.first_answer(running, LARGE_CALL).moment
        return (moment - running.began) * 1000, servers.memory_mib(running.process.pid)


def large_document() -> dict[str, Any]:
    """Make a document whose operations each have a schema of their own; ten at a time refer to each other in a ring."""
    text = "What the field means to those who read it, in a sentence of the usual length."
    paths, schemas = dict[str, Any](), dict[str, Any]()
    for number in range(LARGE_OPERATIONS):
        fields: dict[str, Any] = {
            f"field_{at}": {"type": ("string", "integer", "boolean")[at % 3], "description": text}
            for at in range(LARGE_FIELDS)
        }
        following = number - number % 10 + (number + 1) % 10
        fields["next"] = {"anyOf": [{"$ref": f"#/components/schemas/Thing{following}"}, {"type": "null"}]}
        schemas[f"Thing{number}"] = {"type": "object", "required": ["field_0"], "properties": fields}
        schema = {"$ref": f"#/components/schemas/Thing{number}"}
        paths[f"/area{number}/things/{{id}}"] = {
            "get": {
                "operationId": f"get_{number}",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "A thing", "content": {"application/json": {"schema": schema}}}},
            }
        }
    info = {"title": "Things", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


# -- growth ------------------------------------------------------------------------------------------------------------

TIMES = 1_000
SESSIONS, ENTRIES, DECLARED = 100, 10, 7
"""The smaller size of each."""

STATUS_ONLY = replace(TITLE_CALL)
"""The title call, of which only the status is checked: with a contract of one's own, no pack need play it."""


def growth(bench: Bench) -> Section:
    """Measure the processor time of a call, and the start with a large contract."""
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        sizes = (DECLARED, DECLARED * TIMES)
        contracts = [servers.mock(f"{n:,}", "--contract", write_contract(Path(folder), n)) for n in sizes]
        rows = [
            cost("call, sessions", [with_sessions(SESSIONS), with_sessions(SESSIONS * TIMES)], ANY_TITLE, bench),
            cost(
                "call, entries of the journal",
                [with_journal(ENTRIES), with_journal(ENTRIES * TIMES)],
                TITLE_CALL,
                bench,
            ),
            cost("call, operations of the contract", contracts, STATUS_ONLY, bench),
            started("start, operations of the contract", contracts, bench),
        ]
    lines = [[each.measure, each.against, *each.cells, f"{log(each.median) / log(TIMES):+.3f}"] for each in rows]
    head = ["cost, and what grows", "sizes", "cost at the larger", "spread", "log-log slope"]
    note = "Slope 0 is constant, 1 linear. The cost of a call is the server's processor time, of a start its time."
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


def started(measure: str, compared: Sequence[Server], bench: Bench) -> Row:
    """Divide the start with the larger contract by that with the smaller one."""
    pairs = [[start_ms(each, STATUS_ONLY, bench) for each in compared] for _ in range(bench.rounds)]
    return Row(measure, " to ".join(each.name for each in compared), [large / small for small, large in pairs])


def write_contract(folder: Path, count: int) -> Path:
    """Write the contract 2.6 with copies of its title operation, each with a path and an id of its own."""
    document = yaml.safe_load(CONTRACT.read_text("utf-8"))
    paths = document["paths"]
    own = sum(method in ("get", "post", "put", "patch", "delete") for each in paths.values() for method in each)
    for number in range(count - own):
        made = copy.deepcopy(paths[TITLE_PATH])
        made["post"]["operationId"] = f"made_{number}"
        made["post"].pop("x-upstream-operation-id", None)
        paths[f"/api/v1/area{number % 40}/{{session_id}}/made{number}"] = made
    path = folder / f"{count}.json"
    path.write_text(json.dumps(document), "utf-8")
    return path
