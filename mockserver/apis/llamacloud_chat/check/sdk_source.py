"""What a release of the official Python client says of the API, read in its source files, written as a contract."""

import ast
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from mockserver.apis.llamacloud_chat.check.sdk_types import (
    PACKAGE,
    Field,
    Module,
    Schemas,
    Sources,
    keyword_of,
    last_name,
    record,
    unknown,
)
from mockserver.check.changes.operations import CALLS, Description
from mockserver.contract.resolved import UNKNOWN
from mockserver.errors import ContractError, UsageError
from mockserver.messages import Json

RESOURCES = ("chat", "beta.chat")
"""Where a client keeps the chat, the newest home first. Source: docs/upstream.md, "Versions"."""

VERBS = {"_get": "get", "_post": "post", "_put": "put", "_patch": "patch", "_delete": "delete", "_get_api_list": "get"}
"""The methods by which a resource sends, and those of HTTP that they mean."""

_NONE = ("None", "NoneType")


def read_package(place: Path, name: str) -> Description:
    """Return what an installed release says of itself, from a site-packages folder, an environment or a wheel.

    `name` is what it is called in reports. A UsageError says that there is no such package, a ContractError which
    part of it is not understood.
    """
    root = find_root(place)
    sources = Sources(root)
    schemas = Schemas(sources)
    paths: dict[str, dict[str, Json]] = {}
    for resource in RESOURCES:
        module = _module(sources, resource)
        for call in _calls(module) if module is not None else ():
            made = _operation(call, schemas)
            found = paths.setdefault(call.path, {}).setdefault(call.verb, made | {CALLS: {}})
            found[CALLS][f"{resource}.{call.name}"] = made
    document = {
        "openapi": "3.1.0",
        "info": {"title": PACKAGE, "version": read_version(sources)},
        "paths": paths,
        "components": {"schemas": schemas.components},
    }
    return Description(name, document, is_client=True)


def find_root(place: Path) -> Traversable:
    """Return the folder of the package in a site-packages folder, an environment, a wheel, or itself."""
    if place.is_file() and zipfile.is_zipfile(place):
        found: list[Traversable] = [zipfile.Path(place) / PACKAGE]
    else:
        folders = [place, place / "Lib" / "site-packages", *sorted(place.glob("lib/python*/site-packages"))]
        found = [each / PACKAGE for each in folders]
        found += [place] if place.name == PACKAGE else []
    for each in found:
        if (each / "_version.py").is_file():
            return each
    raise UsageError(
        f"there is no package {PACKAGE} in {place}",
        fix="name a site-packages folder, an environment, or a wheel: client:.venv, client:llama_cloud-2.19.0.whl",
    )


def read_version(sources: Sources) -> str:
    """Return the version that a package states."""
    module = sources.module("_version")
    value = module.aliases.get("__version__") if module is not None else None
    return str(value.value) if isinstance(value, ast.Constant) else "unknown"


def _module(sources: Sources, resource: str) -> Module | None:
    """Return the module of a resource, which is in a folder of its own where it holds others."""
    last = resource.rpartition(".")[2]
    return sources.module(f"resources.{resource}.{last}") or sources.module(f"resources.{resource}")


@dataclass(frozen=True, slots=True)
class ClientCall:
    """A method of a resource, and the request that it sends."""

    module: Module
    function: ast.FunctionDef
    request: ast.Call
    verb: str
    path: str

    @property
    def name(self) -> str:
        """The name of the method."""
        return self.function.name

    def argument(self, key: str) -> ast.expr | None:
        """Return what the request passes by a keyword, by itself or among its options."""
        return keyword_of(self.request, key) or keyword_of(keyword_of(self.request, "options"), key)


def _calls(module: Module) -> Iterator[ClientCall]:
    """Yield the methods of the synchronous resource."""
    resources = (each for each in module.classes.values() if "SyncAPIResource" in map(last_name, each.bases))
    for node in (node for each in resources for node in each.body if isinstance(node, ast.FunctionDef)):
        request = _request(node)
        if request is not None:
            yield _call(module, node, request)


def _request(function: ast.FunctionDef) -> ast.Call | None:
    """Return the call by which a method sends its request."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and last_name(node.func) in VERBS:
            return node
    return None


def _call(module: Module, function: ast.FunctionDef, request: ast.Call) -> ClientCall:
    path = _path(request.args[0]) if request.args else None
    if path is None:
        raise ContractError(
            f"the path of {function.name} is not understood",
            where=f"{PACKAGE}/{module.name.replace('.', '/')}.py, line {function.lineno}",
            why=f"the request is {ast.unparse(request)[:80]}",
        )
    method = keyword_of(request, "method")
    verb = str(method.value) if isinstance(method, ast.Constant) else VERBS[last_name(request.func)]
    return ClientCall(module, function, request, verb.lower(), path)


def _path(node: ast.expr) -> str | None:
    """Return the template of a path: a text, an f-string, or a call that fills in a template."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Call) and last_name(node.func) == "path_template" and node.args:
        return _path(node.args[0])
    if isinstance(node, ast.JoinedStr):
        return "".join(
            f"{{{ast.unparse(each.value)}}}" if isinstance(each, ast.FormattedValue) else str(_path(each))
            for each in node.values
        )
    return None


def _operation(call: ClientCall, schemas: Schemas) -> Json:
    """Write a method as an operation of a contract."""
    made: dict[str, Json] = {"operationId": call.name}
    text = (ast.get_docstring(call.function) or "").partition("\n\nArgs:")[0]
    if text:
        made["description"] = " ".join(text.split())
    for each in call.function.decorator_list:
        if isinstance(each, ast.Call) and last_name(each.func) == "deprecated":
            reason = each.args[0] if each.args else None
            made["deprecated"] = True
            made["x-deprecated"] = str(reason.value) if isinstance(reason, ast.Constant) else ""
    made["parameters"] = [*_path_parameters(call, schemas), *_query_parameters(call, schemas)]
    body = _body(call, schemas)
    return made | ({} if body is None else {"requestBody": body}) | {"responses": {"2XX": _reply(call, schemas)}}


def _path_parameters(call: ClientCall, schemas: Schemas) -> Iterator[Json]:
    arguments = _arguments(call, schemas)
    for name in re.findall(r"\{([^{}]+)\}", call.path):
        schema = arguments[name].schema if name in arguments else {UNKNOWN: name}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(call: ClientCall, schemas: Schemas) -> Iterator[Json]:
    for each in _sent(call, "query", schemas) or ():
        yield {"name": each.name, "in": "query", "required": each.required, "schema": each.schema}


def _body(call: ClientCall, schemas: Schemas) -> Json:
    """Return the body that a method sends; None where it sends none."""
    node = call.argument("body")
    if node is None:
        return None
    fields = _sent(call, "body", schemas)
    if fields is None:
        return {"content": {"application/json": {"schema": unknown(node)}}}
    schema = record(fields)
    return {"required": "required" in schema, "content": {"application/json": {"schema": schema}}}


def _sent(call: ClientCall, key: str, schemas: Schemas) -> list[Field] | None:
    """Return what a method sends in its query or body: the names as they are written, the types as they are declared.

    None where it sends none, or sends it in a way that is not understood.
    """
    node = call.argument(key)
    types = None
    if isinstance(node, ast.Call) and last_name(node.func) == "maybe_transform" and len(node.args) == 2:
        node, types = node.args
    if not isinstance(node, ast.Dict):
        return None
    names = [each.value for each in node.keys if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    declared = _arguments(call, schemas) | _declared(call, types, schemas)
    return [declared.get(name, Field(name, {UNKNOWN: name}, required=False)) for name in names]


def _declared(call: ClientCall, types: ast.expr | None, schemas: Schemas) -> dict[str, Field]:
    """Return the fields of the class that declares what a method sends: `chat_create_params.ChatCreateParams`."""
    module = call.module
    if isinstance(types, ast.Attribute):
        source, name = module.imports.get(last_name(types.value), ("", ""))
        found = schemas.sources.module(f"{source}.{name}")
        if found is None:
            return {}
        module = found
    owner = schemas.sources.find(module, last_name(types))
    if owner is None or not isinstance(owner[1], ast.ClassDef):
        return {}
    return schemas.fields(owner[0], owner[1], {})


def _arguments(call: ClientCall, schemas: Schemas) -> dict[str, Field]:
    """Return the arguments of a method, which must be given where they have no default."""
    given = call.function.args
    plain = [*given.posonlyargs, *given.args]
    optional = {each.arg for each in plain[len(plain) - len(given.defaults) :]}
    optional |= {each.arg for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value is not None}
    return {
        each.arg: Field(each.arg, schemas.of(each.annotation, call.module, {}), each.arg not in optional)
        for each in (*plain, *given.kwonlyargs)
        if each.arg != "self"
    }


def _reply(call: ClientCall, schemas: Schemas) -> Json:
    """Return the response of a success: a model, a page of them, nothing, or an unknown type."""
    node = call.argument("page") or call.argument("cast_to")
    if isinstance(node, ast.Call) and last_name(node.func) == "cast" and len(node.args) == 2:
        node = node.args[1]
    if last_name(node) in _NONE:
        return {"description": ""}
    if node is None or last_name(node) in ("object", "Any"):
        return {"description": "", UNKNOWN: "" if node is None else ast.unparse(node)}
    return {"description": "", "content": {"application/json": {"schema": schemas.of(node, call.module, {})}}}
