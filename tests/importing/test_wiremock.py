"""A mapping of WireMock answers what it answered there, and what cannot be taken is named."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.importing.shop import REX, imports, mapping, mappings, serving

ANN = {"id": 7, "name": "Ann"}
KEY = "s3cret-of-mine"


def answers(folder: Path, *requests: tuple[Any, ...]) -> list[Any]:
    """Serve what was imported, and return status and body of some requests."""
    with serving(folder) as mock:
        client = mock.http_client()
        found = []
        for method, target, *more in requests:
            headers, sent = (more[0] if more else None), (more[1] if len(more) > 1 else None)
            answer = client.request(method, target, headers=headers, json=sent)
            found.append((answer.status_code, answer.json() if answer.content else None))
        return found


def is_rex(folder: Path, *request: Any) -> bool:
    return bool(answers(folder, request)[0][1] == REX)


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ({"method": "GET", "url": "/pets/1"}, ("GET", "/pets/1"), ("GET", "/pets/2")),
        ({"method": "GET", "urlPath": "/pets/1"}, ("GET", "/pets/1"), ("GET", "/pets/2")),
        ({"url": "/pets/1"}, ("GET", "/pets/1"), ("GET", "/pets/2")),
        (
            {"method": "GET", "urlPathTemplate": "/pets/{pet}", "pathParameters": {"pet": {"equalTo": "1"}}},
            ("GET", "/pets/1"),
            ("GET", "/pets/2"),
        ),
        ({"method": "GET", "urlPattern": "/pets/[0-9]"}, ("GET", "/pets/1"), ("GET", "/pets/22")),
        ({"method": "GET", "urlPathPattern": "^/pets/1.*$"}, ("GET", "/pets/11"), ("GET", "/pets/2")),
        ({"method": "GET", "urlPathPattern": "/p[a-e]ts/(1|2)"}, ("GET", "/pets/2"), ("GET", "/pets/12")),
        (
            {"method": "GET", "urlPath": "/pets/1", "headers": {"X-A": {"contains": "b.c"}}},
            ("GET", "/pets/1", {"x-a": "ab.cd"}),
            ("GET", "/pets/1", {"x-a": "abxcd"}),
        ),
        (
            {"method": "GET", "urlPath": "/pets/1", "headers": {"X-A": {"equalTo": "b c", "caseInsensitive": True}}},
            ("GET", "/pets/1", {"x-a": "B C"}),
            ("GET", "/pets/1", {"x-a": "B Cd"}),
        ),
        (
            {"method": "GET", "urlPath": "/pets/1", "headers": {"X-A": {"absent": True}}},
            ("GET", "/pets/1"),
            ("GET", "/pets/1", {"x-a": "1"}),
        ),
        (
            {"method": "GET", "urlPath": "/pets/1", "headers": {"X-A": {"matches": "a|b"}}},
            ("GET", "/pets/1", {"x-a": "b"}),
            ("GET", "/pets/1", {"x-a": "ab"}),
        ),
    ],
)
def test_a_pattern_matches_what_it_matched(tmp_path: Path, pattern: Any, hits: Any, misses: Any) -> None:
    done = imports(tmp_path, mappings(tmp_path, mapping(pattern)))
    lacking = [
        line for line in done.stdout.splitlines() if ": not taken: " in line and "deletePet declares" not in line
    ]
    assert lacking == []
    assert is_rex(tmp_path, *hits)
    assert not is_rex(tmp_path, *misses)


@pytest.mark.parametrize(
    ("pattern", "hit", "miss"),
    [
        ({"equalToJson": {"name": "Rex", "id": 1}}, REX, ANN),
        ({"equalToJson": '{"name": "Rex"}', "ignoreExtraElements": True}, REX, ANN),
        ({"equalToJson": {"name": "${json-unit.any-string}", "id": 1}}, {"id": 1, "name": "x"}, ANN),
        ({"matchesJsonPath": "$[?(@.name == 'Rex')]"}, REX, ANN),
        ({"matchesJsonPath": {"expression": "$.name", "matches": "R.x"}}, REX, ANN),
        ({"equalTo": json.dumps(REX)}, REX, ANN),
    ],
)
def test_a_pattern_of_a_body_matches_what_it_matched(tmp_path: Path, pattern: Any, hit: Any, miss: Any) -> None:
    made = {"id": 99, "name": "made"}
    request = {"method": "POST", "url": "/pets", "bodyPatterns": [pattern]}
    imports(tmp_path, mappings(tmp_path, mapping(request, {"status": 201, "jsonBody": made})))
    found = answers(tmp_path, ("POST", "/pets", None, hit), ("POST", "/pets", None, miss))
    assert [each == (201, made) for each in found] == [True, False]


def test_a_folder_is_read_with_the_bodies_beside_it(tmp_path: Path) -> None:
    for name in ("mappings/pets", "__files"):
        (tmp_path / "stubs" / name).mkdir(parents=True)
    (tmp_path / "stubs/__files/rex.json").write_text(json.dumps(REX))
    one = mapping({"method": "GET", "url": "/pets/1"}, {"bodyFileName": "rex.json"})
    (tmp_path / "stubs/mappings/pets/one.json").write_text(json.dumps(one))
    two = mapping({"method": "GET", "url": "/pets/7"}, {"body": json.dumps(ANN)})
    (tmp_path / "stubs/mappings/two.json").write_text(json.dumps({"mappings": [two]}))
    assert "2 stubs and 2 fixtures written" in imports(tmp_path, tmp_path / "stubs").stdout
    assert answers(tmp_path, ("GET", "/pets/1"), ("GET", "/pets/7")) == [(200, REX), (200, ANN)]


def test_the_more_important_mapping_wins_and_of_equals_the_later(tmp_path: Path) -> None:
    def named(name: str) -> Any:
        return {"jsonBody": {"id": 1, "name": name}}

    any_pet, first = {"method": "GET", "urlPathPattern": "/pets/.*"}, {"method": "GET", "url": "/pets/1"}
    found = [
        mapping(first, named("important"), priority=1),
        mapping(any_pet, named("usual")),
        mapping(any_pet, named("later")),
    ]
    imports(tmp_path, mappings(tmp_path, *found))
    names = [body["name"] for _, body in answers(tmp_path, ("GET", "/pets/1"), ("GET", "/pets/2"))]
    assert names == ["important", "later"]


def test_a_scenario_of_one_request_becomes_answers_in_turn(tmp_path: Path) -> None:
    request = {"method": "GET", "url": "/pets/1"}
    gone = mapping(request, {"status": 404, "jsonBody": {}}, scenarioName="s", requiredScenarioState="Started")
    there = mapping(request, scenarioName="s", requiredScenarioState="there")
    imports(tmp_path, mappings(tmp_path, there, {**gone, "newScenarioState": "there"}))
    assert [status for status, _ in answers(tmp_path, *[("GET", "/pets/1")] * 3)] == [404, 200, 200]


def test_a_delay_and_a_fault_are_kept(tmp_path: Path) -> None:
    slow = mapping({"method": "GET", "url": "/pets/1"}, {"jsonBody": REX, "fixedDelayMilliseconds": 120})
    cut = mapping({"method": "GET", "url": "/pets/2"}, {"fault": "CONNECTION_RESET_BY_PEER"})
    assert "2 stubs" in imports(tmp_path, mappings(tmp_path, slow, cut)).stdout
    with serving(tmp_path) as mock:
        client = mock.http_client()
        began = time.monotonic()
        assert client.get("/pets/1").json() == REX
        assert time.monotonic() - began >= 0.12
        with pytest.raises(httpx.TransportError):
            client.get("/pets/2")


def test_no_secret_is_written(tmp_path: Path) -> None:
    request = {
        "method": "GET",
        "urlPath": "/pets/1",
        "headers": {"Authorization": {"equalTo": f"Bearer {KEY}"}},
    }
    response = {"jsonBody": {**REX, "password": KEY}, "headers": {"Set-Cookie": f"a={KEY}"}}
    done = imports(tmp_path, mappings(tmp_path, mapping(request, response)))
    assert "may have any 'Authorization', which is a secret" in done.stdout
    files = [path.read_text() for path in (tmp_path / "imported").rglob("*.json")]
    assert len(files) == 2
    assert not [text for text in [*files, done.stdout] if KEY in text]
    found = answers(tmp_path, ("GET", "/pets/1", {"authorization": "Bearer other"}))
    assert found == [(200, {**REX, "password": "[redacted]"})]


GET_REX = {"method": "GET", "url": "/pets/1"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (mapping({"method": "GET", "url": "/cats"}), "the contract has no such operation"),
        (mapping({**GET_REX, "cookies": {"a": {"equalTo": "b"}}}), "stubs cannot match its request.cookies"),
        (mapping({**GET_REX, "headers": {"a": {"doesNotMatch": "b"}}}), "stubs cannot match as 'doesNotMatch' does"),
        (mapping({**GET_REX, "queryParameters": {"x": {"equalTo": "1"}}}), "the query of getPet has no 'x'"),
        (mapping({**GET_REX, "headers": {"a": {"matches": "(?=b)"}}}), "no regular expression that can be used"),
        (mapping({"method": "GET", "urlPathPattern": "/(pets/1|x)"}), "a slash within a group"),
        (mapping({"method": "GET", "urlPattern": "/pets\\?limit=[0-9]"}), "stubs cannot match a query by a pattern"),
        (mapping(GET_REX, {"proxyBaseUrl": "http://x"}), "use mockserver proxy"),
        (mapping(GET_REX, {"status": 500, "body": "{}"}), "getPet declares no answer 500"),
        (mapping(GET_REX, {"jsonBody": {"id": 1}}), "its answer 200 breaks the contract"),
        (mapping(GET_REX, {"body": "{{x}}", "transformers": ["response-template"]}), "its body is a template"),
        (mapping(GET_REX, {"bodyFileName": "../../../etc/passwd"}), "lies outside"),
        (mapping(GET_REX, {"bodyFileName": "none.json"}), "cannot be read"),
        (mapping(GET_REX, {"fault": "RANDOM_DATA_THEN_CLOSE"}), "stubs have no fault"),
        (mapping(GET_REX, {"headers": {"a": {"b": 1}}}), "its header 'a' is"),
        (mapping(GET_REX, {"base64Body": "*"}), "its body is no base64"),
        (mapping({"method": "GET"}, {"jsonBody": REX}), "breaks the contract"),
        (mapping({}), "it answers any operation with one body"),
        (
            mapping({"method": "POST", "url": "/pets", "bodyPatterns": [{"contains": "x"}]}),
            "stubs cannot match a JSON body by contains",
        ),
        (
            mapping(GET_REX, scenarioName="s", requiredScenarioState="later"),
            "its scenario 's': its states do not follow",
        ),
        (
            mapping(GET_REX, scenarioName="s", newScenarioState="Started"),
            "it begins anew after its last state",
        ),
        (5, "it is no object"),
    ],
)
def test_what_cannot_be_taken_is_named_with_the_reason(tmp_path: Path, given: Any, why: str) -> None:
    done = imports(tmp_path, mappings(tmp_path, given))
    assert ": not taken: " in done.stdout
    assert why in done.stdout


def test_what_is_taken_otherwise_than_it_was_is_told(tmp_path: Path) -> None:
    request = {**GET_REX, "host": {"equalTo": "shop"}}
    done = imports(tmp_path, mappings(tmp_path, mapping(request, postServeActions=[{}])))
    assert "taken, but its host is not matched; its postServeActions is left out" in done.stdout
