"""The tools of an agent: the routes of the Admin API, what is known of a document, and short answers."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from mockserver.agents.session import AgentSession, Reached, StartedSession
from mockserver.check.explain import explained
from mockserver.check.validate import as_text, inspected
from mockserver.contract.schema import Schema
from mockserver.control.records import COLLECTION, RECORDS
from mockserver.errors import UsageError, suggestion
from mockserver.messages import DEFAULT_SCOPE, Json

LONGEST = 12_000
"""How many characters an answer has at most."""

RECENT = 20
"""How many exchanges are shown unless the agent says how many."""

FIXES = {
    "client": "send what the contract says there; the tool operation shows its schemas and a right value",
    "contract": "correct the document; the tool validate lists its problems",
    "stub": "change or remove the stub; the tool stubs lists them",
    "server": "correct the server",
}
"""What to do about a finding, by whose fault it is."""

Arguments: TypeAlias = Mapping[str, Json]


class AgentTool(NamedTuple):
    """A tool: what it does, its arguments as JSON Schemas, and what calls it."""

    name: str
    description: str
    properties: Mapping[str, Json]
    call: Callable[[AgentSession, Arguments], str]
    required: tuple[str, ...] = ()

    @property
    def schema(self) -> Json:
        """The schema of its arguments."""
        return {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
            "additionalProperties": False,
        }


def run_tool(tools: Mapping[str, AgentTool], session: AgentSession, name: str, arguments: Arguments) -> str:
    """Run a tool, and return its answer; a MockserverError says what is wrong."""
    tool = tools.get(name)
    if tool is None:
        fix = suggestion(name, tools, f"there are {', '.join(tools)}")
        raise UsageError(f"there is no tool {name!r}", fix=fix)
    wrong = Schema({"arguments": tool.schema}, "/arguments", name).explain(dict(arguments), fault="client")
    if wrong:
        first = wrong[0]
        fix = f"the arguments of {name} are {', '.join(tool.properties) or 'none'}"
        raise UsageError(f"{name} cannot be called so", where=first.where, why=first.message, fix=fix)
    text = tool.call(session, arguments)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n... ({len(text)} characters; ask for less)"


def written(value: Json) -> str:
    """Write a value as JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# -- the mock


def starting(session: StartedSession) -> tuple[AgentTool, ...]:
    """Return the tools of an agent that finds its mocks itself."""

    def start(_: AgentSession, given: Arguments) -> str:
        return _described(session.start(given["contract"], given.get("settings", {})))

    def reach(_: AgentSession, given: Arguments) -> str:
        return _described(session.reach(given["url"], given.get("scope", DEFAULT_SCOPE)))

    about = {"type": "object", "description": "options of mockserver serve, as in Python"}
    return (
        AgentTool(
            "start",
            "Start a mock of an OpenAPI document (a file or an address) on a free port, in place of the last one. "
            "Gives its URL and the variables that point a program at it.",
            {"contract": _TEXT, "settings": about},
            start,
            ("contract",),
        ),
        AgentTool("reach", "Use a mock that runs already.", {"url": _TEXT, "scope": _TEXT}, reach, ("url",)),
    )


def _described(reached: Reached) -> str:
    names = [each for each, _, _ in operations_of(reached)]
    exports = [f"export {k}={v}" for k, v in reached.environ.items() if k.lower() != "no_proxy"]
    return "\n".join([f"a mock is at {reached.url}: {len(names)} operations: {', '.join(names)}", *exports])


def operations_of(reached: Reached) -> list[tuple[str, str, str]]:
    """Return the operations in force: id, method and path."""
    served = reached.admin.call("GET", "/__mock__/contract").value
    found = {
        name: (name, each["method"], each["path"])
        for contract in reversed(served["contracts"])
        for name, each in contract["operations"].items()
    }
    return list(found.values())


def _operations(session: AgentSession, _: Arguments) -> str:
    return "\n".join(f"{name}: {method} {path}" for name, method, path in operations_of(session.reached))


def operation_text(reached: Reached, name: str) -> str:
    """Write an operation with its schemas and values to try it; a UsageError names those that there are."""
    reply = reached.admin.call("GET", "/__mock__/operations/{name}", name=name)
    if reply.status == 404:
        names = [each for each, _, _ in operations_of(reached)]
        fix = suggestion(name, names, "the tool operations lists them")
        raise UsageError(f"there is no operation {name!r}", fix=fix)
    return written(reply.value)


def _operation(session: AgentSession, given: Arguments) -> str:
    return operation_text(session.reached, given["name"])


def _judge(session: AgentSession, given: Arguments) -> str:
    body = given.get("body", "")
    asked = {**given, "body": body if isinstance(body, str) else written(body)}
    if not isinstance(body, str):
        asked.setdefault("headers", [["content-type", "application/json"]])
    found = session.reached.admin.call("POST", "/__mock__/judge", asked).value
    return "\n".join(_findings(found["findings"])) or f"{found['operation']} would take it"


# -- the journal


def _journal(session: AgentSession, given: Arguments) -> str:
    query = {name: str(given[name]) for name in ("operation", "after") if name in given}
    found = session.reached.admin.call("GET", "/__mock__/journal", query=query).value["exchanges"]
    if given.get("wrong"):
        found = [each for each in found if each["findings"]]
    shown = found[-given.get("limit", RECENT) :]
    lines = [line for each in shown for line in _exchange_lines(each)]
    left = len(found) - len(shown)
    return "\n".join([*([f"({left} earlier ones are left out)"] if left else []), *lines]) or "nothing came"


def _exchange_lines(each: Json) -> list[str]:
    request, answer = each["request"], each["answer"]
    target = request["path"] + (f"?{request['query']}" if request["query"] else "")
    line = f"#{each['number']} {request['method']} {target} -> {answer['status']}"
    line += f" ({each['operation'] or 'no operation'}, {each['source']}"
    line += f", stub {each['stub']})" if each["stub"] else ")"
    return [line, *_findings(each["findings"])]


def _findings(findings: Iterable[Json]) -> list[str]:
    """Describe findings: whose fault, where, what, the place in the contract, and what to do."""
    return [
        "\n".join(
            [
                f"  {each['fault']}: {each['where']}: {each['message']}",
                *([f"    contract: {each['contract']}"] if each.get("contract") else []),
                *([f"    fix: {FIXES[each['fault']]}"] if each["fault"] in FIXES else []),
                *([f"    again: {each['reproduction']['curl']}"] if each.get("reproduction") else []),
            ]
        )
        for each in findings
    ]


def _exchange(session: AgentSession, given: Arguments) -> str:
    reply = session.reached.admin.call("GET", "/__mock__/journal/{number}", number=str(given["number"]))
    return written(reply.value)


def _verify(session: AgentSession, given: Arguments) -> str:
    verdict = session.reached.admin.call("POST", "/__mock__/verify", dict(given)).value
    return f"ok: {verdict['calls']} calls matched" if verdict["ok"] else f"not ok: {verdict['message']}"


# -- stubs, records


def _stub(session: AgentSession, given: Arguments) -> str:
    answer = {name: given[name] for name in _ANSWER if name in given}
    return _created(session, given, answer)


def _fault(session: AgentSession, given: Arguments) -> str:
    answer = {"faults": given["fault"], **({"times": given["times"]} if "times" in given else {})}
    return _created(session, given, answer)


def _created(session: AgentSession, given: Arguments, answer: Json) -> str:
    admin = session.reached.admin
    spec = {"operation": given["operation"], "when": given.get("when", {}), "answers": [answer]}
    number = admin.call("POST", "/__mock__/stubs", spec).value["numbers"][0]
    made = admin.call("GET", "/__mock__/stubs/{number}", number=str(number)).value
    return f"stub {number}: {made['description']}"


def _stubs(session: AgentSession, _: Arguments) -> str:
    listed = session.reached.admin.call("GET", "/__mock__/stubs").value["stubs"]
    return "\n".join(f"stub {each['number']}, used {each['uses']}x: {each['description']}" for each in listed) or "none"


def _remove_stub(session: AgentSession, given: Arguments) -> str:
    reply = session.reached.admin.call("DELETE", "/__mock__/stubs/{number}", number=str(given["number"]))
    return "removed" if reply.status == 204 else f"there is no stub {given['number']}"


def _records(session: AgentSession, given: Arguments) -> str:
    admin = session.reached.admin
    if "collection" not in given:
        return written(admin.call("GET", RECORDS).value["collections"])
    query = {name: str(given[name]) for name in ("id", "after", "limit") if name in given}
    return written(admin.call("GET", COLLECTION, query=query, collection=given["collection"]).value)


def _reset(session: AgentSession, _: Arguments) -> str:
    admin = session.reached.admin
    admin.call("POST", "/__mock__/scopes/{name}/reset", name=admin.scope)
    return "records, journal and stubs are gone; the seed stays"


# -- documents, servers


def _source(session: AgentSession, given: Arguments) -> str:
    """Return the document that is meant; only an agent of this machine may name another than the mock's."""
    if "file" not in given:
        return session.reached.source
    if not session.is_local:
        raise UsageError("a mock that serves an agent reads no files for it", where="file", fix="leave out file")
    return str(given["file"])


def _validate(session: AgentSession, given: Arguments) -> str:
    return as_text(*inspected(_source(session, given)))


def _explain(session: AgentSession, given: Arguments) -> str:
    api = None if "file" in given else session.reached.api
    return explained(_source(session, given), api)[0]


def _check(session: AgentSession, given: Arguments) -> str:
    asked = {"examples": 20, **given, "url": given.get("url", session.reached.url)}
    reply = session.reached.admin.call("POST", "/__mock__/check", asked)
    last = json.loads(b"".join(reply.content or ()).splitlines()[-1])
    if "error" in last:
        error = last["error"]
        parts = {name: error.get(name) or "" for name in ("where", "why", "fix")}
        raise UsageError(str(error["detail"]), **parts)
    report = last["report"]
    found = report["problems"]
    left = [f"({len(found) - RECENT} more are left out)"] if len(found) > RECENT else []
    return "\n".join([f"{report['subject']}: {len(found)} findings", *_findings(found[:RECENT]), *left])


_TEXT, _OBJECT, _WHOLE = {"type": "string"}, {"type": "object"}, {"type": "integer", "minimum": 0}
_OPERATION = {"type": "string", "description": "its operationId, or * for any"}
_WHEN = {"type": "object", "description": 'expected parts of the request, as {"body": {"name": "x"}}'}
_TIMES = {"description": 'how often, 1 by default, or "always"'}
_FILE = {"type": "string", "description": "a document; without it, that of the mock"}
_ANSWER: Mapping[str, Json] = {
    "status": {"type": "integer"},
    "body": {},
    "headers": _OBJECT,
    "retry_after": {"type": "number"},
    "delay": {"type": "number", "description": "seconds"},
    "times": _TIMES,
}

TOOLS: tuple[AgentTool, ...] = (
    AgentTool("operations", "List the operations of the contract: id, method, path.", {}, _operations),
    AgentTool(
        "operation", "Show one operation: schemas, and values that are right.", {"name": _TEXT}, _operation, ("name",)
    ),
    AgentTool(
        "judge",
        "Say what the mock would refuse in a request, and where; nothing is answered or recorded.",
        {"method": _TEXT, "path": _TEXT, "query": _TEXT, "headers": {"type": "array"}, "body": {}},
        _judge,
        ("method", "path"),
    ),
    AgentTool(
        "journal",
        "List the requests that came, the last ones last: what was wrong, where, by which place of the contract, and "
        "what to do.",
        {"operation": _TEXT, "after": _WHOLE, "limit": {"type": "integer", "minimum": 1}, "wrong": {"type": "boolean"}},
        _journal,
    ),
    AgentTool(
        "exchange",
        "Show all about one exchange of the journal: request, answer, what the contract says, the nearest stubs.",
        {"number": _WHOLE},
        _exchange,
        ("number",),
    ),
    AgentTool(
        "verify",
        "Check that calls were made as expected; if not, the nearest ones are named.",
        {"operation": _OPERATION, "when": _WHEN, "times": {}, "attempts": {}, "order": {"type": "array"}},
        _verify,
    ),
    AgentTool(
        "stub",
        "Answer the next requests of an operation otherwise; what the contract does not allow is refused.",
        {"operation": _OPERATION, "when": _WHEN, **_ANSWER},
        _stub,
        ("operation",),
    ),
    AgentTool(
        "fault",
        "Break the next answers of an operation on purpose: delay, slow-body, close, reset, cut-stream, and others.",
        {"operation": _OPERATION, "when": _WHEN, "fault": {}, "times": _TIMES},
        _fault,
        ("operation", "fault"),
    ),
    AgentTool("stubs", "List the stubs, and how often each was used.", {}, _stubs),
    AgentTool("remove_stub", "Remove a stub.", {"number": _WHOLE}, _remove_stub, ("number",)),
    AgentTool(
        "records",
        "Show what the mock keeps: the collections, a page of one, or one record by its id.",
        {"collection": _TEXT, "id": _TEXT, "after": _WHOLE, "limit": _WHOLE},
        _records,
    ),
    AgentTool("reset", "Forget records, journal and stubs.", {}, _reset),
    AgentTool(
        "validate", "List what in an OpenAPI document cannot be served as it is written.", {"file": _FILE}, _validate
    ),
    AgentTool(
        "explain", "Say which resources a mock of a document keeps, and why it thinks so.", {"file": _FILE}, _explain
    ),
    AgentTool(
        "check",
        "Check that a server keeps the contract: the mock, or the one at a URL, which is sent many requests.",
        {
            "url": _TEXT,
            "key": _TEXT,
            "operations": {"type": "array", "items": _TEXT},
            "examples": _WHOLE,
            "seed": {"type": "integer"},
            "read_only": {"type": "boolean"},
            "allow_remote": {"type": "boolean"},
        },
        _check,
    ),
)
"""All tools."""


def tools_for(session: AgentSession) -> Mapping[str, AgentTool]:
    """Return the tools of a session, by name."""
    own = starting(session) if isinstance(session, StartedSession) else ()
    return {each.name: each for each in (*own, *TOOLS)}
