"""Keys are asked for as the security of an operation says, before anything else of the request is judged."""

from base64 import b64encode
from pathlib import Path

import pytest

from mockserver.engine import Mock
from mockserver.messages import Json, Response
from mockserver.settings import Settings
from tests.request.documents import document
from tests.strategies import write_document
from tests.talk import ask, header

SCHEMES: Json = {
    "head": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "Bearer"},
    "digest": {"type": "http", "scheme": "digest"},
    "oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.test/t", "scopes": {"r": ""}}}},
    "open": {"type": "openIdConnect", "openIdConnectUrl": "https://a.test/o"},
    "mutual": {"type": "mutualTLS"},
}
PAIR = "Basic " + b64encode(b"ann:secret").decode()


def mock_of(folder: Path, security: Json, api_key: str | None = None, *, auth: bool = True) -> Mock:
    declared = [{"name": "n", "in": "query", "schema": {"type": "integer"}}]
    data = document({"security": security, "parameters": declared}, components={"securitySchemes": SCHEMES})
    return Mock(Settings(seed=0, contract=str(write_document(folder, data)), api_key=api_key, auth=auth))


def get(mock: Mock, query: str = "", **headers: str | None) -> Response:
    return ask(mock.handle, "GET", "/x", query=query, **{"authorization": None, **headers})


@pytest.mark.parametrize(
    ("scheme", "query", "headers", "place", "challenge"),
    [
        ("head", "", {"x_key": "any"}, "/header/x-key", 'ApiKey in="header", name="X-Key"'),
        ("query", "key=any", {}, "/query/key", 'ApiKey in="query", name="key"'),
        ("cookie", "", {"cookie": "a=b; sid=any"}, "/cookie/sid", 'ApiKey in="cookie", name="sid"'),
        ("basic", "", {"authorization": PAIR}, "/header/authorization", 'Basic realm="mock", charset="UTF-8"'),
        ("bearer", "", {"authorization": "bearer any"}, "/header/authorization", "Bearer"),
        ("oauth", "", {"authorization": "Bearer any"}, "/header/authorization", "Bearer"),
        ("open", "", {"authorization": "Bearer any"}, "/header/authorization", "Bearer"),
        ("digest", "", {"authorization": 'Digest username="a"'}, "/header/authorization", 'Digest realm="mock"'),
    ],
)
def test_a_key_is_asked_for_where_its_scheme_has_it(
    tmp_path: Path, scheme: str, query: str, headers: dict[str, str], place: str, challenge: str
) -> None:
    mock = mock_of(tmp_path, [{scheme: []}])
    assert get(mock, query, **headers).status == 200
    for wrong in ("", "n=x"):  # the key is asked for before the query is judged
        refused = get(mock, wrong)
        assert (refused.status, header(refused, "www-authenticate")) == (401, challenge)
        assert header(refused, "x-mock-pointer") == place
        assert (header(refused, "x-mock-contract") or "").endswith("#/paths/~1x/get")


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        ("basic", {"authorization": "Basic ???"}),
        ("basic", {"authorization": "Basic " + b64encode(b"no colon").decode()}),
        ("basic", {"authorization": "Bearer any"}),
        ("bearer", {"authorization": PAIR}),
        ("bearer", {"authorization": "Bearer "}),
        ("head", {"x_key": " "}),
        ("cookie", {"cookie": "sid="}),
    ],
)
def test_a_key_that_is_not_well_formed_is_refused(tmp_path: Path, scheme: str, headers: dict[str, str]) -> None:
    assert get(mock_of(tmp_path, [{scheme: []}]), **headers).status == 401


@pytest.mark.parametrize(
    ("scheme", "query", "right", "wrong"),
    [
        ("head", "", {"x_key": "secret"}, {"x_key": "other"}),
        ("cookie", "", {"cookie": "sid=secret"}, {"cookie": "sid=other"}),
        ("basic", "", {"authorization": PAIR}, {"authorization": "Basic " + b64encode(b"a:b").decode()}),
        ("bearer", "", {"authorization": "Bearer secret"}, {"authorization": "Bearer other"}),
        ("digest", "", {"authorization": "Digest secret"}, {"authorization": "Digest other"}),
    ],
)
def test_a_key_that_is_set_is_the_only_one(
    tmp_path: Path, scheme: str, query: str, right: dict[str, str], wrong: dict[str, str]
) -> None:
    mock = mock_of(tmp_path, [{scheme: []}], "secret")
    assert [get(mock, query, **right).status, get(mock, query, **wrong).status] == [200, 401]


@pytest.mark.parametrize(
    ("security", "status"),
    [
        ([{"head": []}, {"query": []}], 200),
        ([{"head": [], "query": []}], 401),
        ([{"head": [], "cookie": []}, {"basic": []}], 401),
        ([{"basic": []}, {"head": []}], 200),
        ([{"basic": []}, {}], 200),
        ([{}], 200),
        ([], 200),
        ([{"undefined": []}], 200),
        ([{"mutual": []}], 200),
        ([{"mutual": [], "query": []}], 401),
        ([{"head": ["some:scope"]}], 200),
    ],
)
def test_one_alternative_suffices_and_all_of_it_is_needed(tmp_path: Path, security: Json, status: int) -> None:
    assert get(mock_of(tmp_path, security), x_key="any").status == status


def test_a_refusal_asks_for_each_scheme_once(tmp_path: Path) -> None:
    refused = get(mock_of(tmp_path, [{"basic": []}, {"bearer": []}, {"oauth": [], "head": []}]))
    challenges = [text.decode() for name, text in refused.headers if name == b"www-authenticate"]
    assert challenges == ['Basic realm="mock", charset="UTF-8"', "Bearer", 'ApiKey in="header", name="X-Key"']


def test_no_key_is_asked_for_without_auth(tmp_path: Path) -> None:
    assert get(mock_of(tmp_path, [{"head": []}], auth=False)).status == 200


def test_a_certificate_is_not_checked_which_is_told(tmp_path: Path) -> None:
    mock = mock_of(tmp_path, [{"mutual": []}])
    assert get(mock).status == 200
    told = [each for each in mock.served.contracts[0].problems if "'mutual' is not checked" in each.what]
    assert [each.place for each in told] == ["/components/securitySchemes/mutual"]
