"""The `Prefer` header (RFC 7240), with the preferences that Prism knows."""

import re

from mockserver.messages import Finding, Headers, Value, header_value

LONGEST = 4_096
"""Longest Prefer field that is read, in characters, all lines together."""

_TOKEN = re.compile(r'([^\s=,;"]+)(?: ?= ?("(?:[^"\\]|\\.)*"|[^\s,;"]*))?')


class Preference(Value, frozen=True):
    """The preferred status, example, generation (on or off) and seed; None where nothing is preferred."""

    code: int | None = None
    example: str | None = None
    dynamic: bool | None = None
    seed: int | None = None


NONE = Preference()


def read_preference(headers: Headers) -> tuple[Preference, list[Finding]]:
    """Read the preferences of a request. Misspelt values are findings; preferences that are not ours are ignored."""
    if headers.get(b"prefer") is None:
        return NONE, []
    text = ", ".join(headers.all(b"prefer"))
    if len(text) > LONGEST:
        return NONE, [_misspelt("field", text[:40] + "...", f"one of at most {LONGEST} characters")]
    said = _tokens(" ".join(text.split()))
    found: list[Finding] = []
    code = said.get("code")
    if code is not None and not re.fullmatch(r"[2-5]\d\d", code):
        found.append(_misspelt("code", code, "a status, such as code=404"))
    dynamic = said.get("dynamic")
    if dynamic not in (None, "true", "false"):
        found.append(_misspelt("dynamic", str(dynamic), "dynamic=true or dynamic=false"))
    seed = said.get("seed")
    if seed is not None and not re.fullmatch(r"-?\d{1,18}", seed):
        found.append(_misspelt("seed", seed, "a whole number of at most 18 digits, such as seed=7"))
    if found:
        return NONE, found
    if not said.keys() & {"code", "example", "dynamic", "seed"}:
        return NONE, []
    return Preference(
        code=None if code is None else int(code),
        example=said.get("example"),
        dynamic=None if dynamic is None else dynamic == "true",
        seed=None if seed is None else int(seed),
    ), []


def _tokens(text: str) -> dict[str, str]:
    """Split a field into its preferences; the first of equal ones counts, by RFC 7240."""
    said: dict[str, str] = {}
    for match in _TOKEN.finditer(text):
        value = match[2] or ""
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        said.setdefault(match[1].lower(), value)
    return said


def _misspelt(name: str, received: str, expected: str) -> Finding:
    return Finding(
        where="/header/prefer",
        rule="preference",
        message=f"The preference {name}={received} cannot be read; expected is {expected}.",
        fault="client",
        expected=expected,
        received=received,
    )


def written(preference: Preference) -> bytes:
    """Write the value of the Preference-Applied header."""
    wishes = {"code": preference.code, "example": preference.example, "seed": preference.seed}
    if preference.dynamic is not None:
        wishes["dynamic"] = "true" if preference.dynamic else "false"
    return header_value(", ".join(f"{name}={value}" for name, value in wishes.items() if value is not None))
