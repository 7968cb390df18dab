"""Values, each with exactly what it touches of a schema."""

from mockserver.messages import Json
from tests.coverages import UUID

TREE = {
    "Tree": {
        "type": "object",
        "properties": {"left": {"$ref": "#/components/schemas/Tree"}, "leaf": {"type": ["string", "null"]}},
    },
    "Cat": {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer", "maximum": 9}},
    },
    "Dog": {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"const": "dog"}, "lives": {"type": "integer", "maximum": 1}},
    },
    "Named": {"type": "object", "properties": {"name": {"type": "string"}, "nick": {"type": "string"}}},
}

CASES: list[tuple[Json, list[tuple[Json, set[str], set[str]]]]] = [
    # a schema; values, with what each touches in any body, and what in a request alone
    ({"type": "string"}, [("x", set(), set()), (1, set(), set())]),
    (
        {"type": "string", "minLength": 2, "maxLength": 4},
        [
            ("xxx", set(), set()),
            ("xx", {"limit /minLength"}, set()),
            ("\U0001f389" * 4, {"limit /maxLength"}, set()),
            ("x", set(), {"violation /minLength"}),
            ("xxxxx", set(), {"violation /maxLength"}),
            (["x"], set(), set()),
        ],
    ),
    ({"type": "string", "minLength": 0}, [("x", set(), set()), ("", {"limit /minLength"}, set())]),
    (
        {"type": "number", "minimum": -1, "maximum": 2.5},
        [
            (0, set(), set()),
            (True, set(), set()),
            (-1.0, {"limit /minimum"}, set()),
            (2.5, {"limit /maximum"}, set()),
            (-1.1, set(), {"violation /minimum"}),
            (3, set(), {"violation /maximum"}),
        ],
    ),
    (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9, "multipleOf": 2},
        [
            (4, {"limit /exclusiveMinimum", "limit /exclusiveMaximum", "limit /multipleOf"}, set()),
            (0, set(), {"violation /exclusiveMinimum"}),
            (10, set(), {"violation /exclusiveMaximum"}),
            (3, set(), {"violation /multipleOf"}),
        ],
    ),
    (
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
            "minItems": 1,
            "maxItems": 3,
            "uniqueItems": True,
        },
        [
            ([1, 2], {"limit /uniqueItems"}, set()),
            ([1], {"limit /uniqueItems", "limit /minItems"}, set()),
            ([1, 2, 3], {"limit /uniqueItems", "limit /maxItems"}, set()),
            ([0, 1], {"limit /uniqueItems", "limit /*/minimum"}, set()),
            ([], set(), {"violation /minItems"}),
            ([1, 2, 3, 4], set(), {"violation /maxItems"}),
            ([1, 1], set(), {"violation /uniqueItems"}),
            ([1, -1], set(), {"violation /*/minimum"}),
        ],
    ),
    (
        {"type": "string", "pattern": "^a", "format": "date"},
        [("2026-04-22", set(), {"violation /pattern"}), ("a", set(), {"violation /format"})],
    ),
    (
        {"type": "string", "format": "uuid"},
        [(UUID, {"limit /format"}, set()), ("x", set(), {"violation /format"}), (None, set(), set())],
    ),
    ({"type": "string", "format": "sentence"}, [("x", set(), set())]),
    (
        {"type": ["string", "integer", "null"]},
        [
            ("x", {"type /type/0"}, set()),
            (1, {"type /type/1"}, set()),
            (1.0, {"type /type/1"}, set()),
            (None, {"type /type/2"}, set()),
            (True, set(), set()),
        ],
    ),
    (
        {"enum": ["a", 1, None, True]},
        [
            ("a", {"member /enum/0"}, set()),
            (1, {"member /enum/1"}, set()),
            (None, {"member /enum/2"}, set()),
            (True, {"member /enum/3"}, set()),
            ("b", set(), {"violation /enum"}),
        ],
    ),
    ({"const": "a"}, [("a", {"member /const"}, set()), ("b", set(), set())]),
    ({"const": None}, [(None, {"member /const"}, set()), (0, set(), set())]),
    (
        {"anyOf": [{"anyOf": [{"type": "integer", "maximum": 3}, {"type": "null"}]}, {"type": "string"}]},
        [
            (3, {"branch /anyOf/0", "branch /anyOf/0/anyOf/0", "limit /anyOf/0/anyOf/0/maximum"}, set()),
            (None, {"branch /anyOf/0", "branch /anyOf/0/anyOf/1"}, set()),
            ("x", {"branch /anyOf/1"}, set()),
            (5, set(), {"violation /anyOf/0/anyOf/0/maximum"}),
            (True, set(), set()),
        ],
    ),
    (
        {
            "anyOf": [
                {"allOf": [{"properties": {"kind": {"enum": ["a", "b"]}}, "required": ["n"]}]},
                {"properties": {"kind": {"enum": ["c"]}, "n": {"type": "integer", "maximum": 3}}, "required": ["n"]},
            ]
        },
        [
            (
                {"kind": "b", "n": 9},
                {"branch /anyOf/0", "field-present /anyOf/0/kind", "member /anyOf/0/kind/enum/1"},
                set(),
            ),
            (
                {"kind": "a", "n": 9},
                {"branch /anyOf/0", "field-present /anyOf/0/kind", "member /anyOf/0/kind/enum/0"},
                set(),
            ),
            (
                {"n": 3},
                {
                    "branch /anyOf/0",
                    "branch /anyOf/1",
                    "field-absent /anyOf/0/kind",
                    "field-absent /anyOf/1/kind",
                    "field-present /anyOf/1/n",
                    "limit /anyOf/1/n/maximum",
                },
                set(),
            ),
            (
                {"kind": "a"},
                {"field-present /anyOf/0/kind", "member /anyOf/0/kind/enum/0"},
                {"violation /anyOf/0/required/0"},
            ),
            (
                {"kind": "c"},
                {"field-present /anyOf/1/kind", "member /anyOf/1/kind/enum/0"},
                {"violation /anyOf/1/required/0"},
            ),
            (
                {"kind": "c", "n": 4},
                {"field-present /anyOf/1/kind", "member /anyOf/1/kind/enum/0"},
                {"violation /anyOf/1/n/maximum"},
            ),
        ],
    ),
    (
        {
            "type": "object",
            "required": ["a"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "string", "minLength": 1}, "no": False},
            "minProperties": 1,
            "maxProperties": 2,
            "additionalProperties": False,
        },
        [
            ({"a": 1}, {"field-present /a", "field-absent /b", "limit /minProperties"}, set()),
            (
                {"a": 1, "b": "x"},
                {"field-present /a", "field-present /b", "limit /maxProperties", "limit /b/minLength"},
                set(),
            ),
            ({"a": 1, "b": ""}, {"field-present /a"}, {"violation /b/minLength"}),
            ({"a": "x", "b": "xx"}, {"field-present /b"}, set()),
            ({"b": "xx"}, {"field-present /b"}, {"violation /required/0"}),
            ({}, {"field-absent /b"}, {"violation /required/0", "violation /minProperties"}),
            (
                {"a": 1, "b": "xx", "c": 1},
                {"field-present /a", "field-present /b"},
                {"violation /additionalProperties", "violation /maxProperties"},
            ),
        ],
    ),
    (
        {
            "properties": {"a": {}},
            "patternProperties": {"^n": {"type": "number", "maximum": 5}},
            "additionalProperties": {"type": "string", "maxLength": 2},
        },
        [
            ({"a": 1}, {"field-present /a"}, set()),
            ({"n1": 5}, {"field-absent /a", "field-present /^n", "limit /^n/maximum"}, set()),
            ({"n1": 6}, {"field-absent /a"}, {"violation /^n/maximum"}),
            ({"a": 1, "z": "xx"}, {"field-present /a", "field-present /*", "limit /*/maxLength"}, set()),
            ({"a": 1, "z": "xxx"}, {"field-present /a"}, {"violation /*/maxLength"}),
        ],
    ),
    (
        {"prefixItems": [{"enum": [1]}, {"const": 2}], "items": {"enum": [3]}},
        [
            ([1], {"member /0/enum/0"}, set()),
            ([1, 2, 3], {"member /0/enum/0", "member /1/const", "member /*/enum/0"}, set()),
            ([2, 2, 4], {"member /1/const"}, {"violation /0/enum", "violation /*/enum"}),
        ],
    ),
    (
        {
            "anyOf": [
                {"type": "array", "items": {}, "maxItems": 1},
                {"type": "string", "maxLength": 1},
                {"type": "null"},
            ]
        },
        [
            ([], {"branch /anyOf/0"}, set()),
            ([1], {"branch /anyOf/0", "limit /anyOf/0/maxItems"}, set()),
            ("", {"branch /anyOf/1"}, set()),
            ("x", {"branch /anyOf/1", "limit /anyOf/1/maxLength"}, set()),
            (None, {"branch /anyOf/2"}, set()),
            ([1, 2], set(), {"violation /anyOf/0/maxItems"}),
            ("xx", set(), {"violation /anyOf/1/maxLength"}),
            ({}, set(), set()),
        ],
    ),
    (
        {"anyOf": [{"type": "integer", "maximum": 5}, {"type": "number", "minimum": 5}]},
        [
            (1, {"branch /anyOf/0"}, set()),
            (5, {"branch /anyOf/0", "branch /anyOf/1", "limit /anyOf/0/maximum", "limit /anyOf/1/minimum"}, set()),
            (7.5, {"branch /anyOf/1"}, set()),
            (2.5, set(), {"violation /anyOf/1/minimum"}),
        ],
    ),
    (
        {"anyOf": [{"type": "string", "maxLength": 1}, {"type": "string", "pattern": "^a"}]},
        [
            ("", {"branch /anyOf/0"}, set()),
            ("a", {"branch /anyOf/0", "branch /anyOf/1", "limit /anyOf/0/maxLength", "limit /anyOf/1/pattern"}, set()),
            ("bb", set(), set()),
        ],
    ),
    (
        {
            "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
            "discriminator": {"propertyName": "kind"},
        },
        [
            (
                {"kind": "cat"},
                {
                    "branch /oneOf/0",
                    "field-present /oneOf/0/kind",
                    "member /oneOf/0/kind/const",
                    "field-absent /oneOf/0/lives",
                },
                set(),
            ),
            (
                {"kind": "dog", "lives": 1},
                {
                    "branch /oneOf/1",
                    "field-present /oneOf/1/kind",
                    "member /oneOf/1/kind/const",
                    "field-present /oneOf/1/lives",
                    "limit /oneOf/1/lives/maximum",
                },
                set(),
            ),
            (
                {"kind": "dog", "lives": 2},
                {"field-present /oneOf/1/kind", "member /oneOf/1/kind/const"},
                {"violation /oneOf/1/lives/maximum"},
            ),
            (
                {"kind": "cat", "lives": 9},
                {
                    "branch /oneOf/0",
                    "field-present /oneOf/0/kind",
                    "member /oneOf/0/kind/const",
                    "field-present /oneOf/0/lives",
                    "limit /oneOf/0/lives/maximum",
                },
                set(),
            ),
            (
                {"kind": "cat", "lives": 10},
                {"field-present /oneOf/0/kind", "member /oneOf/0/kind/const"},
                {"violation /oneOf/0/lives/maximum"},
            ),
            (
                {"kind": "dog"},
                {
                    "branch /oneOf/1",
                    "field-present /oneOf/1/kind",
                    "member /oneOf/1/kind/const",
                    "field-absent /oneOf/1/lives",
                },
                set(),
            ),
            ({"lives": 100}, set(), set()),
            ({"kind": "cow"}, set(), set()),
        ],
    ),
    (
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        [(1.5, {"branch /oneOf/1"}, set()), (1, set(), set())],
    ),
    (
        {"allOf": [{"$ref": "#/components/schemas/Named"}, {"required": ["name"]}]},
        [
            ({"name": "x"}, {"field-present /name", "field-absent /nick"}, set()),
            ({"name": "x", "nick": "y"}, {"field-present /name", "field-present /nick"}, set()),
            ({}, {"field-absent /nick"}, {"violation /required/0"}),
        ],
    ),
    (
        {"if": {"type": "string"}, "then": {"maxLength": 2}, "else": {"type": "integer", "minimum": 0}},
        [
            ("x", {"branch /then"}, set()),
            ("xx", {"branch /then", "limit /then/maxLength"}, set()),
            (0, {"branch /else", "limit /else/minimum"}, set()),
            ("xxx", set(), {"violation /then/maxLength"}),
            (-1, set(), {"violation /else/minimum"}),
        ],
    ),
    (
        {"$ref": "#/components/schemas/Tree"},
        [
            ({}, {"field-absent /left", "field-absent /leaf"}, set()),
            (
                {"left": {"left": {"leaf": None}}, "leaf": "x"},
                {
                    "field-present /left",
                    "field-absent /left",
                    "field-present /leaf",
                    "field-absent /leaf",
                    "type /leaf/type/0",
                    "type /leaf/type/1",
                },
                set(),
            ),
            ({"left": 1}, {"field-absent /leaf"}, set()),
        ],
    ),
]


BEYOND = {
    "limit /pattern",  # no text is a date and begins with a
    "limit /format",
    "violation /anyOf/0/maximum",  # what is more holds the other branch
    "branch /oneOf/0",  # a whole number holds both branches, and so none
    "violation /anyOf/0/maxLength",  # a text that holds neither may have been meant for each
    "violation /anyOf/1/pattern",
    "violation /anyOf/0/kind/enum",  # a kind that there is not belongs to neither
    "violation /anyOf/1/kind/enum",
    "violation /oneOf/0/required/0",  # as may an animal that is of no kind
    "violation /oneOf/1/required/0",
}
"""What is counted of the schemas above, and can be touched by no value: to see that takes more than a schema says."""
