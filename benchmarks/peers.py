"""Other mock servers on the same contract and the same call: how fast, and whether their answers are right."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from jsonschema import Draft202012Validator

from benchmarks import servers
from benchmarks.load import Bench, by_own, side_by_side
from benchmarks.report import Row, Section, Table
from benchmarks.servers import CONTRACT, PLAIN, TITLE_CALL, TITLE_PATH, Answer, Call, Command, Server, Stop

HOMES = servers.CACHE / "peers"

CALL = replace(TITLE_CALL)
"""The title call, of which only the status is checked under load: most tools answer with an example."""

WARM = 8.0
"""Seconds of load before anything is counted: most tools compile themselves as they run."""

IN_TIME = 2.0
"""Seconds that a bad request may take until it is refused."""

INSTALLING = 300.0
"""Seconds that an installation may take."""

Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """Another mock server: name and version as npm (`@`) or pip (`==`) reads them, and the command that serves."""

    name: str
    package: str
    text: str
    """The command, with {home}, {port} and {documents}; `*` is looked up in the folder that it is installed in."""

    @property
    def home(self) -> Path:
        """The folder that it is installed in."""
        return HOMES / re.sub(r"\W+", "-", self.package).strip("-")

    def command(self, port: int) -> Command:
        """Return the command on a port; without a launcher, so that the process is the server itself."""
        values = {"home": self.home, "port": port, "documents": HOMES, "run": servers.RUN_REFERENCE}
        parts = [each.format(**values) for each in self.text.split()]
        return [next(map(str, self.home.glob(each)), each) if "*" in each else each for each in parts]


PRISM = "@stoplight/prism-cli@5.16.0"
_PRISM = "node {home}/node_modules/@stoplight/prism-cli/dist/index.js mock --port {port} --verboseLevel silent"
_STEADY = "node_modules/@stdy/cli-*/bin/steady* --quiet --host 127.0.0.1 --port {port} {documents}/contract.json"
_MOCKOON = "node {home}/node_modules/.bin/mockoon-cli start --data {documents}/contract.json --port {port}"
_WIREMOCK = "java -jar node_modules/wiremock/build/*.jar --port {port} --root-dir {documents}/wiremock"
_CONNEXION = "{home}/bin/python -c {run} connexion {documents}/contract-3.0.json {port}"

STEADY = Tool("Steady", "@stdy/cli@0.22.2", _STEADY)
"""The fastest of those that validate requests and make answers up."""

TOOLS = (
    Tool("Prism, static", PRISM, _PRISM + " {documents}/contract.json"),
    Tool("Prism, dynamic", PRISM, _PRISM + " --dynamic {documents}/contract.json"),
    STEADY,
    Tool("Mockoon", "@mockoon/cli@9.9.0", _MOCKOON + " --hostname 127.0.0.1 --disable-log-to-file --disable-admin-api"),
    Tool("WireMock", "wiremock@3.13.2", _WIREMOCK + " --disable-request-logging --max-request-journal-entries 1000"),
    Tool("connexion", "connexion[mock,uvicorn]==3.3.0", _CONNEXION),
)
"""The one place to renew versions."""


def peers(bench: Bench) -> Section:
    """Measure all tools that can be had; those that cannot stand in the report with the reason."""
    write_documents(HOMES)
    judged = {each.name: judge(each, bench) for each in (servers.mock(), servers.reference(PLAIN, "plain"))}
    rows, figures, left = list[Row](), dict[str, Sequence[str]](), dict[str, str]()
    for tool in TOOLS:
        server = Server(tool.name, tool.command, partial(by_own, call=CALL, seconds=WARM))
        try:
            install(tool)
            judgement = judge(server, bench)
            found = side_by_side(tool.name, [servers.mock(), server], CALL, bench)
        except (Stop, OSError, HTTPException) as error:
            left[tool.name] = reason(str(error))
            servers.say(f"{tool.name} is LEFT OUT: {left[tool.name]}")
        else:
            ours, theirs = found.values()
            judged[tool.name] = judgement
            rows.append(Row("title: throughput", f"{tool.name} ({tool.package})", ours.divided(theirs, "rate")))
            figures[tool.name] = [f"{theirs.median('p99_ms'):.1f}", f"{max(theirs.peaks):,.0f}"]
    missing = [[["**LEFT OUT**", "why"], *map(list, left.items())]] if left else []
    return Section("Other mock servers", rows, [rightness(judged, figures), *missing])


# -- installing and starting -------------------------------------------------------------------------------------------


def install(tool: Tool) -> None:
    """Install a tool into a folder of its own, unless it is there; Stop if it cannot be had."""
    by_npm = "==" not in tool.package
    for program in (*tool.text.split()[:1], *(["npm"] if by_npm else [])):
        if program.isalpha() and shutil.which(program) is None:
            raise Stop(f"{program} is not installed")
    mark = tool.home / "installed"
    if mark.exists() and mark.stat().st_mtime > servers.REFERENCE.stat().st_mtime:
        return
    servers.say(f"installing {tool.package}")
    shutil.rmtree(tool.home, ignore_errors=True)
    tool.home.mkdir(parents=True)
    if by_npm:
        quiet = ("--no-audit", "--no-fund", "--loglevel", "error")
        servers.output(["npm", "install", "--prefix", tool.home, *quiet, tool.package], limit=INSTALLING)
    else:
        servers.make_environment(tool.home / "bin" / "python", tool.package)
    mark.touch()


def reason(text: str) -> str:
    """Return the first line that speaks of an error, without addresses and paths."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    found = next((line for line in lines[1:] if "error" in line.lower()), lines[0])
    return re.sub(r"(?<![\w.])/\S+", "<path>", re.sub(r"\w+://\S+", "<address>", found))[:200]


# -- rightness ---------------------------------------------------------------------------------------------------------

OTHER = Call(
    "POST", CALL.path.replace(servers.SESSION, "ses-other-1"), '{"first_message": "Ships that pass in the night"}'
)

BAD: Mapping[str, tuple[Call, str]] = {
    "missing field": (Call("POST", CALL.path, "{}", 422), "first_message"),
    "wrong type": (Call("POST", CALL.path, '{"first_message": 5}', 422), "first_message"),
    "bad query": (Call("POST", f"{CALL.path}?project_id=abc", CALL.body, 422), "project_id"),
    "malformed JSON": (Call("POST", CALL.path, '{"first_message": "What', 400), ""),
    "unknown method": (Call("PATCH", CALL.path, "", 405), ""),
}
"""What is to be refused: the request with the status of its refusal (400 stands for any 4xx), the field to be named."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a server answers: whether rightly, and what became of each bad request (✓: refused rightly)."""

    right: bool
    refusals: Mapping[str, str]


def judge(server: Server, bench: Bench) -> Judgement:
    """Start a server, and judge its answers."""
    servers.say(f"judging the answers of {server.name}")
    with servers.serving(server, bench.cores) as running:
        servers.first_answer(running, CALL)
        return judged_by(lambda call: servers.ask(running.port, call, patience=IN_TIME))


def judged_by(send: Callable[[Call], Answer]) -> Judgement:
    """Judge a server by two right requests and all bad ones."""
    contract = yaml.safe_load(CONTRACT.read_text("utf-8"))
    right = all(is_right(contract, call, send(call)) for call in (CALL, OTHER))
    refusals = {}
    for name, (call, named) in BAD.items():
        try:
            refusals[name] = refusal(contract, call, named, send(call))
        except TimeoutError:
            refusals[name] = f"no answer in {IN_TIME:g} s"
        except (OSError, HTTPException):
            refusals[name] = "connection closed"
    return Judgement(right, refusals)


def is_right(contract: Document, call: Call, answer: Answer) -> bool:
    """Return whether the contract allows an answer, with the session asked for and a title from the message."""
    if answer.status != 200 or not allowed(contract, answer):
        return False
    body, message = json.loads(answer.body), json.loads(call.body)["first_message"]
    return body["session_id"] in call.path and str(body["generated_title"]).startswith(message[:20])


def allowed(contract: Document, answer: Answer) -> bool:
    """Return whether the contract allows an answer of the title call: its status and its JSON."""
    declared = contract["paths"][TITLE_PATH]["post"]["responses"].get(str(answer.status), {})
    schema = declared.get("content", {}).get("application/json", {}).get("schema")
    try:
        return schema is not None and Draft202012Validator({**contract, **schema}).is_valid(json.loads(answer.body))
    except ValueError:
        return False


def refusal(contract: Document, call: Call, named: str, answer: Answer) -> str:
    """Describe the answer to a bad request: its status, what it lacks, and ✓ if it is right."""
    if answer.status < 400:
        return f"{answer.status}, taken"
    lacks = {
        f"{named} not named": named and named not in f"{answer.body!r} {answer.headers}",
        "not in the contract's form": named and not allowed(contract, answer),
        "no Allow": call.status == 405 and "POST" not in answer.headers.get("allow", ""),
    }
    missing = [text for text, is_missing in lacks.items() if is_missing]
    right = answer.status == call.status or (call.status == 400 and answer.status < 500)
    return ", ".join([str(answer.status), *missing]) + (" ✓" if right and not missing else "")


def rightness(judged: Mapping[str, Judgement], figures: Mapping[str, Sequence[str]]) -> Table:
    """Make the table of right answers and refusals, with the figures that a tool has by itself."""
    table: list[Sequence[str]] = [["server", "right", *BAD, "99th percentile, ms", "memory, MiB"]]
    for name, each in judged.items():
        table.append([name, "yes" if each.right else "no", *each.refusals.values(), *figures.get(name, ["-", "-"])])
    return table


# -- the contract in other forms ---------------------------------------------------------------------------------------


def write_documents(folder: Path) -> None:
    """Write the contract as JSON, in the words of OpenAPI 3.0, and as stubs of WireMock."""
    contract = yaml.safe_load(CONTRACT.read_text("utf-8"))
    mappings = folder / "wiremock" / "mappings"
    mappings.mkdir(parents=True, exist_ok=True)
    (folder / "contract.json").write_text(json.dumps(contract), "utf-8")
    (folder / "contract-3.0.json").write_text(json.dumps(as_3_0(contract)), "utf-8")
    (mappings / "title.json").write_text(json.dumps({"mappings": list(stubs(contract))}), "utf-8")


def as_3_0(contract: Document) -> Document:
    """Return a document of OpenAPI 3.1 as one of 3.0, with the function that connexion asks for."""
    made = {**_lowered(contract), "openapi": "3.0.3"}
    for scheme in made["components"].get("securitySchemes", {}).values():
        scheme["x-bearerInfoFunc"] = "benchmark_reference.any_key"
    return made


def _lowered(node: Any) -> Any:
    """Write null, constants and examples of schemas in the words of 3.0."""
    if isinstance(node, list):
        return [_lowered(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _lowered(value) for key, value in node.items() if key not in ("anyOf", "const")}
    if "const" in node:
        made["enum"] = [node["const"]]
    if isinstance(examples := made.get("examples"), list):
        made["example"] = examples[0]
        del made["examples"]
    if "anyOf" in node:
        others = [_lowered(each) for each in node["anyOf"] if each != {"type": "null"}]
        nullable = {"nullable": True} if len(others) < len(node["anyOf"]) else {}
        single = {"allOf": others} if "$ref" in others[0] else others[0]
        made |= nullable | (single if len(others) == 1 else {"anyOf": others})
    return made


def stubs(contract: Document) -> Iterator[Document]:
    """Return WireMock's stubs of the title call: for the right request, any other body, any other method."""
    title = "{{regexExtract (jsonPath request.body '$.first_message') '^[^\\u0000]{0,50}'}}..."
    answer = (
        f'{{"session_id":"{{{{request.path.session_id}}}}","generated_title":"{title}",'
        '"last_updated_at":"{{now format="yyyy-MM-dd\'T\'HH:mm:ss.SSSSSS"}}","job_metadata":null,"index_ids":null}'
    )
    schema = contract["components"]["schemas"]["GenerateTitleParams"]
    fits = [{"matchesJsonSchema": json.dumps(schema), "schemaVersion": "V202012"}]
    wrong = {"detail": [{"type": "missing", "loc": ["body", "first_message"], "msg": "Field required"}]}
    made = {"status": 200, "body": answer, "transformers": ["response-template"]}
    answers: Sequence[tuple[Document, Document]] = (
        ({"method": "POST", "bodyPatterns": fits}, made),
        ({"method": "POST"}, {"status": 422, "jsonBody": wrong}),
        ({"method": "ANY"}, {"status": 405, "jsonBody": {"detail": "Method Not Allowed"}}),
    )
    headers = {"Content-Type": "application/json", "Allow": "POST"}
    for priority, (request, response) in enumerate(answers, 1):
        asked = {"urlPathTemplate": TITLE_PATH, **request}
        yield {"priority": priority, "request": asked, "response": {**response, "headers": headers}}
