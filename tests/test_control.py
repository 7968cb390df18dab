"""What the mock says about itself."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from mockserver.settings import ERAS
from tests.strategies import contract_of, own_document, write_document
from tests.talk import KEY, TITLE

SEVEN = ["create", "delete", "get_summary", "list", "retrieve", "set_title", "stream"]


def test_health_tells_what_is_served(base_url: str) -> None:
    response = httpx.get(base_url + "/__mock__/health")
    told = response.json()
    assert response.status_code == 200
    assert told.pop("sessions") >= 0
    assert told == {"status": "ok", "contracts": list(ERAS), "operations": SEVEN, "answers": "simulated", "seed": 0}


def test_health_counts_the_sessions_and_needs_no_key(serve: Callable[..., str]) -> None:
    url = serve(contract="2.6", seed=8, api_key="secret", answers="simulated")
    headers = {"authorization": "Bearer secret"}
    for session_id in ("a", "b", "a"):
        path = TITLE.replace("ses-abc123", session_id)
        assert httpx.post(url + path, json={"first_message": "x"}, headers=headers).status_code == 200
    told = httpx.get(url + "/__mock__/health").json()
    assert (told["sessions"], told["contracts"], told["seed"]) == (2, ["2.6"], 8)
    assert "secret" not in str(told)


@pytest.mark.parametrize("query", ["", "?contract=2.17"])
def test_the_document_in_force_is_the_newest(base_url: str, query: str) -> None:
    response = httpx.get(base_url + "/openapi.json" + query)
    assert response.status_code == 200
    assert response.json() == contract_of("2.17").document


@pytest.mark.parametrize("era", ERAS)
def test_any_document_in_force_can_be_had(base_url: str, era: str) -> None:
    response = httpx.get(base_url + "/openapi.json", params={"contract": era})
    assert response.headers["content-type"] == "application/json"
    assert response.json() == contract_of(era).document


@pytest.mark.parametrize("name", ["2.7", "", "auto", "../2.6"])
def test_an_unknown_document_is_told_with_those_that_there_are(base_url: str, name: str) -> None:
    response = httpx.get(base_url + "/openapi.json", params={"contract": name})
    assert response.status_code == 404
    assert f"there is no contract {name!r}" in response.json()["detail"]
    assert "2.17, 2.8, 2.6" in response.json()["detail"]


def test_a_document_of_ones_own_is_given(serve: Callable[..., str], tmp_path: Path) -> None:
    path = write_document(tmp_path, own_document())
    url = serve(contract=str(path), seed=1)
    assert httpx.get(url + "/openapi.json").json() == own_document()
    assert httpx.get(url + "/openapi.json?contract=2.6").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/__mock__/none", 404), ("POST", "/__mock__/health", 405)]
)
def test_what_the_control_does_not_know_is_refused_as_json(base_url: str, method: str, path: str, status: int) -> None:
    response = httpx.request(method, base_url + path, headers={"authorization": KEY})
    assert response.status_code == status
    assert response.json().keys() == {"detail"}
