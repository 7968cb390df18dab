"""What a client's package says is read in its files, and sixteen releases tell their own history."""

import copy
import zipfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from mockserver.apis.llamacloud_chat.check.part import RELEASES
from mockserver.apis.llamacloud_chat.check.sdk_source import read_package
from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.check.changes.operations import Description, drift
from mockserver.check.changes.rules import ContractChange, verdict
from mockserver.errors import ContractError, UsageError
from mockserver.messages import Json
from tests.strategies import contract_of
from tests.wheels import release

RESOURCE = '''
import typing_extensions
from typing import Optional, cast, Any

from .._types import Omit, NoneType, omit
from .._utils import path_template, maybe_transform
from .._resource import SyncAPIResource, AsyncAPIResource
from ..pagination import SyncPage
from ..types import chat_send_params
from ..types.chat_thing import ChatThing
from .._base_client import make_request_options


class ChatResource(SyncAPIResource):
    def send(self, thing_id: str, *, prompt: str, limit: Optional[int] | Omit = omit, extra: float = 1.0) -> ChatThing:
        """
        Send a thing
        somewhere.

        Args:
          prompt: What to send.
        """
        if not thing_id:
            raise ValueError("no id")
        return self._post(
            path_template("/things/{thing_id}", thing_id=thing_id),
            body=maybe_transform({"prompt": prompt, "extra": extra}, chat_send_params.ChatSendParams),
            options=make_request_options(query=maybe_transform({"limit": limit}, chat_send_params.ChatSendParams)),
            cast_to=ChatThing,
        )

    @typing_extensions.deprecated("Use send instead")
    def drop(self, thing_id: str) -> None:
        return self._delete(f"/things/{thing_id}", options=make_request_options(), cast_to=NoneType)

    def every(self) -> SyncPage[ChatThing]:
        return self._get_api_list("/things", page=SyncPage[ChatThing], options=make_request_options(), model=ChatThing)

    def stream(self) -> object:
        return self._get("/stream", options=make_request_options(), cast_to=object)

    def helper(self) -> int:
        return 1


class AsyncChatResource(AsyncAPIResource):
    async def send(self, thing_id: str) -> ChatThing:
        return await self._post("/never", cast_to=ChatThing)


class ChatResourceWithRawResponse:
    def __init__(self, chat: ChatResource) -> None:
        self.send = chat.send
'''

PARAMS = '''
from typing import Optional
from typing_extensions import Annotated, Literal, Required, TypedDict
from .._utils import PropertyInfo


class ChatSendParams(TypedDict, total=False):
    limit: Annotated[Optional[int], PropertyInfo(alias="pageLimit")]

    prompt: Required[str]
    """What to
    send."""
'''

THING = '''
from typing import Dict, List, Optional, Union
from typing_extensions import Annotated, Literal, TypeAlias
from pydantic import Field as FieldInfo

from .._utils import PropertyInfo
from .._models import BaseModel
from .chat_part import ChatPart


class One(BaseModel):
    type: Optional[Literal["one"]] = None


class Two(BaseModel):
    type: Literal["two"]
    again: Optional["ChatThing"] = None


Event: TypeAlias = Annotated[Union[One, Two], PropertyInfo(discriminator="type")]


class ChatThing(ChatPart):
    """A thing."""

    events: List[Event]
    made_at: str = FieldInfo(alias="madeAt")
    """When it was made."""

    _private: int = 1
'''

FILES: Mapping[str, str] = {
    "_version.py": '__title__ = "llama_cloud"\n__version__ = "1.2.3"  # marked\n',
    "resources/__init__.py": "",
    "resources/chat.py": RESOURCE,
    "types/__init__.py": "from .chat_thing import ChatThing as ChatThing\n",
    "types/chat_send_params.py": PARAMS,
    "types/chat_thing.py": THING,
    "types/chat_part.py": "from .._models import BaseModel\n\n\nclass ChatPart(BaseModel):\n    id: str\n",
    "pagination.py": (
        "from typing import Generic, List, Optional, TypeVar\n"
        "from ._base_client import BaseSyncPage\n\n"
        '_T = TypeVar("_T")\n\n\n'
        "class SyncPage(BaseSyncPage[_T], Generic[_T]):\n"
        "    items: List[_T]\n    next_page_token: Optional[str] = None\n\n"
        "    def more(self) -> bool:\n        return bool(self.next_page_token)\n"
    ),
}
"""A package as the generator of clients writes it, in small."""


def written(folder: Path, files: Mapping[str, str] = FILES) -> Path:
    """Write a package into a folder, and give the folder."""
    for name, text in files.items():
        path = folder / "llama_cloud" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def read(folder: Path, **changed: str) -> Json:
    """Give what a package says, with some of its files changed: resource, params or thing."""
    names = {"resource": "resources/chat.py", "params": "types/chat_send_params.py", "thing": "types/chat_thing.py"}
    return read_package(
        written(folder, {**FILES, **{names[key]: text for key, text in changed.items()}}), "own"
    ).document


THING_AT = "types.chat_thing.ChatThing"


# -- a package in small ----------------------------------------------------------------------------------------------


def test_methods_paths_and_parameters_are_read(tmp_path: Path) -> None:
    document = read(tmp_path)
    assert document["info"]["version"] == "1.2.3"
    assert {path: sorted(item) for path, item in document["paths"].items()} == {
        "/things/{thing_id}": ["delete", "post"],
        "/things": ["get"],
        "/stream": ["get"],
    }
    send = document["paths"]["/things/{thing_id}"]["post"]["x-calls"]["chat.send"]
    assert send["operationId"] == "send"
    assert send["description"] == "Send a thing somewhere."
    assert send["parameters"] == [
        {"name": "thing_id", "in": "path", "required": True, "schema": {"type": "string"}},
        {
            "name": "pageLimit",
            "in": "query",
            "required": False,
            "schema": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
    ]


def test_the_body_has_the_types_of_its_class_and_of_the_method_where_that_says_nothing(tmp_path: Path) -> None:
    body = read(tmp_path)["paths"]["/things/{thing_id}"]["post"]["requestBody"]
    assert body == {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "prompt": {"type": "string", "description": "What to send."},
                        "extra": {"type": "number"},
                    },
                    "required": ["prompt"],
                }
            }
        },
    }


def test_models_are_read_with_what_they_stand_on_and_what_they_refer_to(tmp_path: Path) -> None:
    schemas = read(tmp_path)["components"]["schemas"]
    assert schemas[THING_AT] == {
        "type": "object",
        "description": "A thing.",
        "properties": {
            "id": {"type": "string"},
            "events": {
                "type": "array",
                "items": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/types.chat_thing.One"},
                        {"$ref": "#/components/schemas/types.chat_thing.Two"},
                    ],
                    "discriminator": {"propertyName": "type"},
                },
            },
            "madeAt": {"type": "string", "description": "When it was made."},
        },
        "required": ["id", "events", "madeAt"],
    }
    assert schemas["types.chat_thing.One"]["properties"]["type"] == {"anyOf": [{"enum": ["one"]}, {"type": "null"}]}
    assert "required" not in schemas["types.chat_thing.One"]
    again = schemas["types.chat_thing.Two"]["properties"]["again"]
    assert again == {"anyOf": [{"$ref": f"#/components/schemas/{THING_AT}"}, {"type": "null"}]}


def test_answers_are_a_model_a_page_nothing_or_unknown(tmp_path: Path) -> None:
    paths = read(tmp_path)["paths"]
    assert paths["/things/{thing_id}"]["delete"]["responses"] == {"2XX": {"description": ""}}
    assert paths["/stream"]["get"]["responses"] == {"2XX": {"description": "", "x-unknown": "object"}}
    page = paths["/things"]["get"]["responses"]["2XX"]["content"]["application/json"]["schema"]
    assert page["properties"]["items"] == {"type": "array", "items": {"$ref": f"#/components/schemas/{THING_AT}"}}
    assert page["required"] == ["items"]


def test_what_is_deprecated_says_why(tmp_path: Path) -> None:
    paths = read(tmp_path)["paths"]
    drop = paths["/things/{thing_id}"]["delete"]
    assert (drop["deprecated"], drop["x-deprecated"]) == (True, "Use send instead")
    assert "deprecated" not in paths["/things/{thing_id}"]["post"]


@pytest.mark.parametrize(
    ("written_as", "schema"),
    [
        ("str", {"type": "string"}),
        ("bool", {"type": "boolean"}),
        ("object", {}),
        ("None", {"type": "null"}),
        ("datetime", {"type": "string", "format": "date-time"}),
        ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("Union[str, int, None]", {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}),
        ("Dict[str, object]", {"type": "object", "additionalProperties": {}}),
        (
            "List[Dict[str, str]]",
            {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}},
        ),
        ("SequenceNotStr[str]", {"type": "array", "items": {"type": "string"}}),
        ('Literal["a", 1]', {"enum": ["a", 1]}),
        ('"List[int]"', {"type": "array", "items": {"type": "integer"}}),
        (
            "typing.Optional[typing.List[int]]",
            {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
        ),
        ("Plain", {"type": "integer"}),
        ("Strange", {"x-unknown": "Strange"}),
        ("Tuple[int, str]", {"x-unknown": "Tuple[int, str]"}),
        ("lambda: 1", {"x-unknown": "lambda: 1"}),
        ("Loop", {"x-unknown": "Loop"}),
        ("Far", {"$ref": "#/components/schemas/types.chat_part.ChatPart"}),
    ],
)
def test_a_type_becomes_a_schema_and_what_is_not_understood_is_unknown(
    tmp_path: Path, written_as: str, schema: Json
) -> None:
    text = f"from .chat_thing import Loop\nfrom llama_cloud.types.chat_part import ChatPart as Far\n{THING}"
    text += f"\n    it: {written_as}\n\n\nPlain = int\n"
    assert read(tmp_path, thing=text)["components"]["schemas"][THING_AT]["properties"]["it"] == schema


@pytest.mark.parametrize(
    ("default", "name", "needed"),
    [
        ("", "it", True),
        (" = None", "it", False),
        (' = FieldInfo(alias="That")', "That", True),
        (' = FieldInfo(alias="That", default=None)', "That", False),
        (' = FieldInfo(None, alias="That")', "That", False),
    ],
)
def test_whether_a_field_of_a_model_is_always_there_is_read(
    tmp_path: Path, default: str, name: str, needed: bool
) -> None:
    thing = read(tmp_path, thing=f"{THING}\n    it: str{default}\n")["components"]["schemas"][THING_AT]
    assert (name in thing["properties"], name in thing["required"]) == (True, needed)


@pytest.mark.parametrize(
    ("bases", "body", "needed"),
    [
        ("TypedDict", "prompt: str", ["prompt"]),
        ("TypedDict", "prompt: NotRequired[str]", []),
        ("TypedDict, total=False", "prompt: str", []),
        ("TypedDict, total=False", "prompt: Required[Annotated[str, PropertyInfo(alias='said')]]", ["said"]),
        ("Base, total=False", "other: int", ["prompt"]),
    ],
)
def test_whether_a_key_must_be_there_is_read(tmp_path: Path, bases: str, body: str, needed: list[str]) -> None:
    params = f"class Base(TypedDict):\n    prompt: str\n\n\nclass ChatSendParams({bases}):\n    {body}\n"
    send = read(tmp_path, params=params)["paths"]["/things/{thing_id}"]["post"]
    assert send["requestBody"]["content"]["application/json"]["schema"].get("required", []) == needed


def test_a_method_that_has_no_class_of_parameters_says_them_itself(tmp_path: Path) -> None:
    resource = RESOURCE.replace(
        'maybe_transform({"limit": limit}, chat_send_params.ChatSendParams)', '{"limit": limit}'
    )
    send = read(tmp_path, resource=resource)["paths"]["/things/{thing_id}"]["post"]
    assert send["parameters"][1]["name"] == "limit"
    assert send["parameters"][1]["schema"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert send["parameters"][1]["required"] is False


def test_a_body_that_is_not_written_out_is_unknown(tmp_path: Path) -> None:
    resource = RESOURCE.replace('maybe_transform({"prompt": prompt, "extra": extra}, ', "maybe_transform(prompt, ")
    body = read(tmp_path, resource=resource)["paths"]["/things/{thing_id}"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {
        "x-unknown": "maybe_transform(prompt, chat_send_params.ChatSendParams)"
    }


def test_a_path_that_is_not_understood_is_an_error_with_its_place(tmp_path: Path) -> None:
    resource = RESOURCE.replace('"/stream"', "self.somewhere()")
    with pytest.raises(ContractError) as caught:
        read(tmp_path, resource=resource)
    assert caught.value.what == "the path of stream is not understood"
    assert caught.value.where.startswith("llama_cloud/resources/chat.py, line ")


def test_a_file_that_is_not_python_is_an_error_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="is not Python") as caught:
        read(tmp_path, thing="class (:")
    assert caught.value.where.endswith("chat_thing.py")


# -- where it is -----------------------------------------------------------------------------------------------------


def packed(folder: Path) -> Path:
    """Write the package as a wheel."""
    wheel = folder / "llama_cloud-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(f"llama_cloud/{name}", text)
    return wheel


def test_a_folder_an_environment_the_package_itself_and_a_wheel_say_the_same(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    site = written(environment / "lib" / "python3.11" / "site-packages")
    windows = tmp_path / "windows"
    written(windows / "Lib" / "site-packages")
    places = [environment, windows, site, site / "llama_cloud", packed(tmp_path)]
    first, *others = [read_package(place, "own").document for place in places]
    assert all(other == first for other in others)
    assert first["paths"]


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_where_there_is_no_package_it_says_what_to_name(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="there is no package llama_cloud"):
        read_package(tmp_path / place, "own")


def test_a_release_without_the_chat_has_no_operations(tmp_path: Path) -> None:
    old = read_package(written(tmp_path / "old", {"_version.py": FILES["_version.py"]}), "old")
    new = read_package(written(tmp_path / "new"), "new")
    assert {each.rule for each in drift(old, new).changes} == {"operation-added"}


def test_nothing_of_a_package_is_run(tmp_path: Path) -> None:
    trap = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    assert read(tmp_path, thing=trap + THING, resource=trap + RESOURCE)["paths"]
    assert not (tmp_path / "ran").exists()


# -- releases in small -----------------------------------------------------------------------------------------------


def compared(folder: Path, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[ContractChange, ...]:
    """Compare two packages that differ in some files."""
    a, b = (
        read_package(written(folder / name, {**FILES, **files}), name) for name, files in (("a", before), ("b", after))
    )
    return drift(a, b).changes


def moved(resource: str) -> str:
    """Give a resource as it stands one folder deeper."""
    return resource.replace("from ..", "from ...")


def test_a_method_that_moves_is_withdrawn_and_another_new_and_its_fields_are_still_compared(tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if name != "resources/chat.py"}
    written(tmp_path / "b", files)
    a = read_package(written(tmp_path / "a"), "a")
    deeper = (
        moved(RESOURCE)
        .replace("prompt: str, limit", "prompt: str, more: int, limit")
        .replace('{"prompt": prompt,', '{"prompt": prompt, "more": more,')
    )
    b = read_package(written(tmp_path / "b", {**files, "resources/beta/chat.py": deeper}), "b")
    found = drift(a, b).changes
    assert {(each.rule, each.operations) for each in found if each.operations == ("chat.send",)} == {
        ("call-withdrawn", ("chat.send",))
    }
    assert ("required-field-added", "breaking", ("send",)) in {(e.rule, e.severity, e.operations) for e in found}


def test_a_model_that_two_homes_of_a_method_share_is_compared_for_both(tmp_path: Path) -> None:
    homes = {"resources/beta/chat.py": moved(RESOURCE)}
    thing = FILES["types/chat_thing.py"].replace("class Two(BaseModel):", "class Two(BaseModel):\n    more: int")
    found = compared(tmp_path, homes, {**homes, "types/chat_thing.py": thing})
    (there,) = found
    assert there.operations == ("chat.send", "beta.chat.send", "chat.every", "beta.chat.every")


def test_code_that_names_an_argument_that_is_gone_does_not_run(tmp_path: Path) -> None:
    shorter = RESOURCE.replace(', "extra": extra', "").replace(
        'maybe_transform({"limit": limit},', "maybe_transform({},"
    )
    found = compared(tmp_path, {}, {"resources/chat.py": shorter})
    assert {(each.rule, each.severity, each.where) for each in found} == {
        ("parameter-withdrawn", "breaking", "/request/query/pageLimit"),
        ("field-withdrawn", "breaking", "/request/body/extra"),
    }


def test_a_field_that_may_be_missing_may_be_null_as_far_as_a_client_tells(tmp_path: Path) -> None:
    thing = FILES["types/chat_thing.py"]
    found = compared(
        tmp_path,
        {},
        {"types/chat_thing.py": thing.replace("events: List[Event]", "events: Optional[List[Event]] = None")},
    )
    assert [(each.rule, each.severity) for each in found] == [("field-optional", "breaking")]
    nullable = thing.replace("events: List[Event]", "events: Optional[List[Event]]")
    assert [each.rule for each in compared(tmp_path, {"types/chat_thing.py": nullable}, {})] == ["field-required"]


def test_what_a_package_does_not_say_is_not_a_change(tmp_path: Path) -> None:
    client = read_package(written(tmp_path), "own")
    contract = contract_like(client.document)
    for a, b in ((client, contract), (contract, client)):
        assert drift(a, b).changes == ()
    schema = contract.document["components"]["schemas"][THING_AT]
    schema["properties"]["madeAt"] = {"type": "integer"}
    assert [each.rule for each in drift(client, contract).changes] == ["type-changed"]


def contract_like(document: Json) -> Description:
    """Give a contract that says more than a client's package, and nothing else."""
    made = copy.deepcopy(document)
    made["servers"] = [{"url": "https://x"}]
    made["security"] = [{"Key": []}]
    made["components"]["securitySchemes"] = {"Key": {"type": "http", "scheme": "bearer"}}
    for item in made["paths"].values():
        for operation in item.values():
            del operation["x-calls"]
            success = operation["responses"].pop("2XX")
            operation["responses"] = {"200": success, "404": {"description": "x"}, "default": {"description": "x"}}
            operation |= {"operationId": f"other_{operation['operationId']}", "description": "x", "deprecated": True}
            operation["parameters"].append({"name": "session", "in": "cookie", "schema": {"type": "string"}})
            success["headers"] = {"X": {"required": True}}
            success.get("content", {})["text/plain"] = {}
    thing = made["components"]["schemas"][THING_AT]
    thing |= {"additionalProperties": False, "minProperties": 1, "description": "y"}
    thing["properties"]["id"] |= {"format": "uuid", "pattern": "x", "maxLength": 3, "default": "x", "examples": ["x"]}
    events = thing["properties"]["events"]["items"]
    events["oneOf"] = events.pop("anyOf")[::-1]
    events["discriminator"]["mapping"] = {"one": "#/components/schemas/types.chat_thing.One"}
    return Description("contract", made)


# -- the releases ----------------------------------------------------------------------------------------------------


def told(a: Description, b: Description) -> set[tuple[str, str, str]]:
    return {(each.severity, each.rule, operation) for each in drift(a, b).changes for operation in each.operations}


CALLS = ("create", "retrieve", "list", "delete", "get_summary", "stream")

HISTORY: dict[tuple[str, str], set[tuple[str, str, str]]] = {
    ("2.7.0", "2.8.0"): {("breaking", "operation-withdrawn", "set_title")},
    ("2.9.0", "2.9.1"): {("risky", "variants-reordered", "beta.chat.retrieve")},
    ("2.16.0", "2.17.0"): {
        ("harmless", "field-added", "beta.chat.create"),
        ("harmless", "field-added", "beta.chat.stream"),
        ("harmless", "field-added", "beta.chat.retrieve"),
        *(
            ("harmless", "required-field-added", f"beta.chat.{name}")
            for name in ("create", "retrieve", "list", "get_summary")
        ),
    },
    ("2.17.0", "2.18.0"): {
        *(("harmless", "call-added", f"chat.{name}") for name in CALLS),
        *(("risky", "call-deprecated", f"beta.chat.{name}") for name in CALLS),
    },
}
"""What changed from one release to the next; between all others nothing did. Source: docs/upstream.md, "Versions"."""

VERDICTS = {
    ("2.7.0", "2.8.0"): "major",
    ("2.9.0", "2.9.1"): "minor",
    ("2.16.0", "2.17.0"): "minor",
    ("2.17.0", "2.18.0"): "minor",
}


@pytest.mark.parametrize("pair", list(pairwise(RELEASES)), ids="-".join)
def test_the_releases_tell_their_history_by_themselves(pair: tuple[str, str]) -> None:
    a, b = map(release, pair)
    assert told(a, b) == HISTORY.get(pair, set())
    assert verdict(drift(a, b).changes) == VERDICTS.get(pair, "none")


def test_only_two_releases_can_set_a_title() -> None:
    path = "/api/v1/chat/{session_id}/title"
    assert [each for each in RELEASES if path in release(each).document["paths"]] == ["2.6.0", "2.7.0"]


def test_from_2_17_on_every_session_says_its_shared_access() -> None:
    sure = []
    for each in RELEASES:
        schemas = release(each).document["components"]["schemas"]
        sessions = [schema for schema in schemas.values() if "session_id" in schema.get("properties", {})]
        assert len(sessions) >= 4
        if all("shared_access" in schema["required"] for schema in sessions):
            sure.append(each)
    assert sure == ["2.17.0", "2.18.0", "2.19.0"]


def test_the_first_member_of_the_events_is_another_from_2_9_1_on() -> None:
    found = drift(release("2.9.0"), release("2.9.1")).changes
    assert "stop first and no longer thinking_delta" in found[0].message
    assert found[0].where == "/response/2XX/body/events/*"


def era_of(version: str) -> str:
    """Give the era that a release speaks: the newest that is not newer."""
    number = tuple(map(int, version.split(".")[:2]))
    return next(era for era in VERSIONS if tuple(map(int, era.split("."))) <= number)


@pytest.mark.parametrize("version", RELEASES)
def test_a_release_says_nothing_else_than_the_contract_of_its_era(version: str) -> None:
    era = era_of(version)
    client, contract = release(version), Description(era, contract_of(era).document)
    assert drift(client, contract).changes == ()
    assert drift(contract, client).changes == ()
    assert len(drift(client, contract).compared) == len(contract_of(era).operations)


def test_a_release_of_another_era_differs_from_the_contract() -> None:
    contract = Description("2.17", contract_of("2.17").document)
    assert told(release("2.7.0"), contract) >= {
        ("breaking", "operation-withdrawn", "set_title"),
        ("harmless", "required-field-added", "create"),
    }
