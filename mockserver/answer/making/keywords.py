"""What single keywords of a resolved schema say: examples, tags, members that exclude each other."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from mockserver.contract.resolved import Union, View, Views, keywords, values
from mockserver.contract.schema import NOTES, Schema
from mockserver.contract.tree import join, pointed, reference_to
from mockserver.messages import Json

MOST_COMPARED = 40
"""How many members of a union are compared with each other."""


@lru_cache(maxsize=4096)
def matches(pattern: str, name: str) -> bool:
    """Return whether a pattern is found in a name."""
    return Schema({"pattern": pattern}, "", "made").is_valid(name)


def required(view: View) -> dict[str, None]:
    """Return the fields that a schema requires."""
    return {name: None for each in keywords(view, "required") for name in each.value}


def only_types(node: Json) -> frozenset[str]:
    """Return the types that a schema allows, if it says nothing else."""
    if not isinstance(node, dict) or node.keys() - NOTES != {"type"} or "$ref" in node:
        return frozenset()
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return frozenset([*kinds, "integer"] if "number" in kinds else kinds)


def contained(view: View) -> Iterator[tuple[str, int]]:
    """Yield the place of each schema that items must satisfy, and how many of them."""
    for piece in view.pieces:
        if "contains" in piece.node:
            yield join(piece.pointer, "contains"), int(piece.node.get("minContains", 1))


def is_lent_null(node: Mapping[str, Json]) -> bool:
    """Return whether a schema has a word for null that its version of OpenAPI lacks: null is taken, and never made."""
    return "nullable" in node or "x-nullable" in node


def examples(view: View) -> Iterator[Json]:
    """Yield the values that a schema shows, the outermost first."""
    for piece in view.pieces:
        listed = piece.node.get("examples")
        shown = listed if isinstance(listed, list) else []
        single = {key: [piece.node[key]] if key in piece.node else [] for key in ("example", "default")}
        for value in (*single["example"], *shown, *single["default"]):
            if value is not None or not is_lent_null(piece.node):
                yield value


def tag(union: Union, member: Json) -> tuple[str, str] | None:
    """Return the field that tells a member of a union, and its value: the mapping's name, else the schema's."""
    if union.discriminator is None or not isinstance(member, dict) or not isinstance(member.get("$ref"), str):
        return None
    told = union.discriminator.value
    if not isinstance(told, dict) or not isinstance(told.get("propertyName"), str):
        return None
    return told["propertyName"], mapped(told, member["$ref"])


def mapped(told: Mapping[str, Json], reference: str) -> str:
    """Return the name by which a discriminator knows a schema: its mapping's, else the schema's own."""
    place = pointed(reference)
    name = place.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    mapping = told.get("mapping")
    for value, target in mapping.items() if isinstance(mapping, dict) else ():
        if target == name or (isinstance(target, str) and target.startswith("#") and pointed(target) == place):
            return str(value)
    return name


def own_tag(view: View, names: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the tag of a schema with a discriminator of its own; `names` maps the places of schemas to their names."""
    told = next((each.value for each in keywords(view, "discriminator")), None)
    if view.unions or not isinstance(told, dict) or not isinstance(told.get("propertyName"), str):
        return None
    named = [piece.pointer for piece in view.pieces if piece.pointer in names]
    return (told["propertyName"], mapped(told, reference_to(named[0]))) if named else None


def are_apart(views: Views, union: Union) -> bool:
    """Return whether no value satisfies two members of a union, as far as types and named values tell."""
    members = [views.of(each) for each in union.members]
    return len(members) <= MOST_COMPARED and all(
        _differ(views, one, other) for at, one in enumerate(members) for other in members[at + 1 :]
    )


def _differ(views: Views, one: View, other: View) -> bool:
    if one.types is not None and other.types is not None and not one.types & other.types:
        return True
    both = required(one).keys() & required(other).keys()
    return any(_exclude(views, one, other, name) for name in both)


def _exclude(views: Views, one: View, other: View, name: str) -> bool:
    """Return whether two schemas allow no common value of a field."""
    places = [[join(p.pointer, name) for p in keywords(view, "properties") if name in p.value] for view in (one, other)]
    allowed = [values(views.of(*each)) if each else None for each in places]
    return allowed[0] is not None and allowed[1] is not None and not allowed[0].keys() & allowed[1].keys()
