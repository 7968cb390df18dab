"""How the ways to be let in differ: which schemes and scopes a call needs, and what is noted of the schemes."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from mockserver.check.changes.rules import At, Comparison, paired
from mockserver.check.report.model import format_value
from mockserver.contract.resolved import is_same, key_of
from mockserver.contract.tree import join, resolve
from mockserver.errors import ContractError
from mockserver.messages import Json

SCHEMES = "/components/securitySchemes"

_CALL = At("call", "")


class Scheme(NamedTuple):
    """A security scheme: its place, what is written there, and what tells it apart from others."""

    pointer: str
    node: Mapping[str, Json]
    identity: str

    def __bool__(self) -> bool:
        return bool(self.pointer)


NO_SCHEME = Scheme("", {}, "")

Alternative: TypeAlias = frozenset[tuple[str, str]]
"""Schemes and scopes that together let a caller in."""


class Security(NamedTuple):
    """What a call needs: where the document says so, the alternatives, and their schemes by what they are."""

    pointer: str
    alternatives: set[Alternative]
    schemes: Mapping[str, Scheme]


def read_security(document: Json, pointer: str, requirements: list[Json]) -> Security:
    """Read the requirements that stand at a place; without any, nothing is needed.

    A ContractError names the place of a scheme that is not declared.
    """
    schemes: dict[str, Scheme] = {}
    alternatives: set[Alternative] = set()
    for index, each in enumerate(requirements):
        needed: set[tuple[str, str]] = set()
        for name, scopes in each.items():
            scheme = _scheme(document, name, join(pointer, index, name))
            schemes.setdefault(scheme.identity, scheme)
            needed |= {(scheme.identity, scope) for scope in ("", *scopes)}
        alternatives.add(frozenset(needed))
    return Security(pointer, alternatives or {frozenset()}, schemes)


def _scheme(document: Json, name: str, where: str) -> Scheme:
    declared = document.get("components", {}).get("securitySchemes", {})
    if name not in declared:
        raise ContractError(
            f"the security scheme {name!r} is not declared",
            where="#" + where,
            why=f"components/securitySchemes has {', '.join(map(repr, declared)) or 'none'}",
            fix="declare it there, or correct the name",
        )
    pointer, node = resolve(document, join(SCHEMES, name))
    return Scheme(pointer, node, key_of(_identity(node)))


def _identity(node: Mapping[str, Json]) -> list[Json]:
    """Return what a caller must do to be let in; names of HTTP's schemes and headers have no case (RFC 9110)."""
    kind = node.get("type")
    if kind == "http":
        return [kind, str(node.get("scheme")).lower()]
    if kind == "apiKey":
        name = str(node.get("name"))
        return [kind, node.get("in"), name.lower() if node.get("in") == "header" else name]
    return [kind, node.get("openIdConnectUrl")]


def compare_security(run: Comparison, a: Security, b: Security) -> None:
    """Compare who is let in: by which schemes and scopes, whatever the schemes are called."""
    lost = [each for each in a.alternatives if not any(new <= each for new in b.alternatives)]
    won = [each for each in b.alternatives if not any(old <= each for old in a.alternatives)]
    told = [sorted(map(sorted, each.alternatives)) for each in (a, b)]
    if lost or won:
        change, text = _SECURITY[bool(lost), bool(won)]
        run.tell(f"security-{change}", _CALL, (a.pointer, b.pointer), text, *told)
    for _, one, other in paired(a.schemes, b.schemes, NO_SCHEME):
        if one and other:
            _compare_schemes(run, one, other)


_SECURITY = {
    (True, True): ("changed", "the way to be let in is another"),
    (True, False): ("tightened", "more is needed to be let in"),
    (False, True): ("loosened", "less is needed to be let in"),
}


def _compare_schemes(run: Comparison, a: Scheme, b: Scheme) -> None:
    """Compare what is said of a scheme that both have: its flows, their addresses, and notes."""
    _tell_note(run, a, b, "bearerFormat")
    ours, theirs = ({**each.node.get("flows", {})} for each in (a, b))
    for name, was, now in paired(ours, theirs, None):
        inner = tuple(join(each.pointer, "flows", name) for each in (a, b))
        if was is None or now is None:
            one_place, other_place = (
                "" if flow is None else spot for flow, spot in zip((was, now), inner, strict=True)
            )
            new, gone = f"the flow {name} is new", f"the flow {name} is gone"
            run.tell_one("security-flow", _CALL, one_place, other_place, new, gone)
        else:
            _compare_flows(run, Scheme(inner[0], was, ""), Scheme(inner[1], now, ""))


def _compare_flows(run: Comparison, a: Scheme, b: Scheme) -> None:
    for key in ("authorizationUrl", "tokenUrl", "refreshUrl", "deviceAuthorizationUrl"):
        was, now = a.node.get(key), b.node.get(key)
        if was != now:
            text = f"the {key} went from {format_value(was)} to {format_value(now)}"
            run.tell("security-address-changed", _CALL, _places(a, b, key), text, was, now)
    _tell_note(run, a, b, "scopes")


def _tell_note(run: Comparison, a: Scheme, b: Scheme, key: str) -> None:
    """Record a note that is another; which scopes a call needs stands with the call."""
    was, now = a.node.get(key), b.node.get(key)
    if not is_same(was, now):
        run.tell("security-note-changed", _CALL, _places(a, b, key), f"{key} changed", was, now)


def _places(a: Scheme, b: Scheme, key: str) -> tuple[str, str]:
    one, other = (join(each.pointer, key) if key in each.node else each.pointer for each in (a, b))
    return one, other
