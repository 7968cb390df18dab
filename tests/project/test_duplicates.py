"""No two rooms say the same: no eight logical lines that follow each other have the same shape in two of them."""

import io
import keyword
import tokenize
from collections import defaultdict
from collections.abc import Iterator

from tests.project.test_house import PATHS, room_of

LENGTH = 8
"""How many logical lines in a row are one too many."""

EXEMPT: dict[frozenset[str], str] = {
    frozenset(("mockserver.apis.llamacloud_chat.sessions", "mockserver.contract.openapi")): (
        "both declare a value of eight fields, which have nothing to do with each other"
    ),
    frozenset(("mockserver.check.client.result", "mockserver.store.base")): (
        "both declare small values one after the other, which have nothing to do with each other"
    ),
    frozenset(("mockserver.check.coverage.visit", "mockserver.journal.exchange")): (
        "coverage declares what it needs of an exchange, whether a journal or its own target has seen it"
    ),
}
"""Pairs of modules that may look alike, each with the reason."""

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER}


def shapes(text: str) -> Iterator[tuple[int, str]]:
    """Give the shape of each logical line, names and literals left open, with the number of its first line.

    Imports and docstrings are left out.
    """
    line: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            if line and line[0].string not in ("import", "from") and any(each.type != tokenize.STRING for each in line):
                yield line[0].start[0], " ".join(map(shape, line))
            line = []
        elif token.type not in _LAYOUT:
            line.append(token)


def shape(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME:
        return token.string if keyword.iskeyword(token.string) else "name"
    return {tokenize.STRING: "text", tokenize.NUMBER: "number"}.get(token.type, token.string)


def repeated(texts: dict[str, str]) -> list[str]:
    """Name the runs of lines that two rooms share, the first of each pair of modules; texts are by module."""
    found: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for module, text in texts.items():
        lines = list(shapes(text))
        for at in range(len(lines) - LENGTH + 1):
            found[tuple(each for _, each in lines[at : at + LENGTH])].append((module, lines[at][0]))
    pairs: dict[frozenset[str], str] = {}
    for places in found.values():
        for one, line in places:
            for other, second in places:
                if room_of(one) < room_of(other):
                    pairs.setdefault(frozenset((one, other)), f"{one}:{line} is {other}:{second}")
    return [text for pair, text in pairs.items() if pair not in EXEMPT]


def test_no_two_rooms_share_eight_lines_of_the_same_shape() -> None:
    assert repeated({module: path.read_text("utf-8") for module, path in PATHS.items()}) == []


def lines(names: str) -> str:
    """Give eight logical lines that use some names."""
    return "".join(f"def {name}({name}):\n    return {name} + 1\n" for name in names)


def test_eight_lines_that_are_the_same_but_for_their_names_are_found_in_two_rooms() -> None:
    assert repeated({"mockserver.store.x": lines("abcd"), "mockserver.stub.y": "x = 1\n" + lines("efgh")}) == [
        "mockserver.store.x:1 is mockserver.stub.y:2"
    ]


def test_fewer_lines_another_shape_and_the_same_room_are_not_found() -> None:
    assert repeated({"mockserver.store.x": lines("abc"), "mockserver.stub.y": lines("abc")}) == []
    assert repeated({"mockserver.store.x": lines("abcd"), "mockserver.stub.y": lines("abcd").replace("+", "-")}) == []
    assert repeated({"mockserver.store.x": lines("abcd"), "mockserver.store.y": lines("abcd")}) == []


def test_imports_docstrings_and_comments_do_not_count() -> None:
    text = '"""A page."""\nimport a\nfrom b import c\n' * 4
    assert repeated({"mockserver.store.x": text, "mockserver.stub.y": text}) == []
    noted = lines("abcd").replace("\n    return", "  # a note\n    return")
    assert repeated({"mockserver.store.x": lines("abcd"), "mockserver.stub.y": noted}) != []


def test_every_exemption_is_of_modules_that_there_are() -> None:
    assert {module for pair in EXEMPT for module in pair} <= PATHS.keys()
