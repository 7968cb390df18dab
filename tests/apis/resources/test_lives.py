"""What happens to items from their creation to their end: changes, actions, conditions, and what goes with one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mockserver.messages import Json
from mockserver.testing import open_mock
from tests.apis.resources.test_infer import document, get, reply, take
from tests.apis.resources.test_play import ask

TEXT: Json = {"type": "string"}
MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}
JOB: Json = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": TEXT,
        "note": TEXT,
        "owner": {"type": "string", "readOnly": True},
        "password": TEXT,
        "state": {"type": "string", "enum": ["new", "running", "stopped"]},
        "archived": {"type": "boolean", "default": False},
        "archived_at": MOMENT,
        "updated_at": {"type": "string", "format": "date-time"},
    },
}
STEP: Json = {
    "type": "object",
    "required": ["id", "text"],
    "properties": {"id": {"type": "integer", "readOnly": True}, "job_id": TEXT, "text": TEXT},
}
CREATED = "2026-11-28T12:00:00"


def several(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def declared(operation: Json, *statuses: str) -> Json:
    """Return an operation that declares further answers without a body."""
    operation.setdefault("responses", {"204": {"description": "x"}})
    operation["responses"] |= {status: {"description": "x"} for status in statuses}
    return operation


def jobs(folder: Path, **more: Json) -> str:
    """Write a document of jobs, their steps and the lines of those, with further operations of a job."""
    name = {"name": "name", "in": "query", "schema": TEXT}
    paths: dict[str, Any] = {
        "/jobs": {
            "get": get(several(JOB)),
            "post": take(JOB, JOB, "201"),
            "delete": {"parameters": [name]},
        },
        "/jobs/{job_id}": {
            "get": declared(get(JOB), "404"),
            "put": declared(take(JOB, JOB), "404", "412"),
            "patch": take({**JOB, "required": []}, JOB),
            "delete": declared({}, "404", "412"),
        },
        "/jobs/{job_id}/steps": {"get": get(several(STEP)), "post": take(STEP, STEP, "201")},
        "/jobs/{job_id}/steps/{step_id}": {"get": declared(get(STEP), "404"), "delete": {}},
        "/jobs/{job_id}/steps/{step_id}/lines": {"get": get(several(STEP)), "post": take(STEP, STEP, "201")},
        "/jobs/{job_id}/steps/{step_id}/lines/{line_id}": {"get": declared(get(STEP), "404"), "delete": {}},
        "/jobs/{job_id}/log": {"get": get({"type": "object"})},
    }
    for path, item in more.items():
        paths.setdefault(path.replace("__", "/jobs/{job_id}/") if path.startswith("__") else path, {}).update(item)
    paths["/jobs/{job_id}"]["get"]["responses"]["200"]["headers"] = {"ETag": {"schema": TEXT}}
    return document(folder, paths)


# -- the end


def test_a_collection_is_emptied_as_far_as_its_filter_says_with_what_stands_below(tmp_path: Path) -> None:
    with open_mock(contract=jobs(tmp_path)) as mock:
        ids = [ask(mock, "POST", "/jobs", {"name": name}).json()["id"] for name in "aab"]
        for id in ids:
            ask(mock, "POST", f"/jobs/{id}/steps", {"text": "x"})
        assert ask(mock, "DELETE", "/jobs?name=a").headers["x-mock-state"] == "jobs: 2 deleted"
        assert [each["id"] for each in ask(mock, "GET", "/jobs").json()] == ids[2:]
        assert len(mock.resources["steps"]) == 1
        assert ask(mock, "GET", f"/jobs/{ids[0]}").status_code == 404
        ask(mock, "DELETE", "/jobs")
        assert ask(mock, "GET", "/jobs").json() == []


def test_what_is_deleted_takes_all_that_stands_below_it_with_it(tmp_path: Path) -> None:
    with open_mock(contract=jobs(tmp_path)) as mock:
        job = ask(mock, "POST", "/jobs", {"name": "a"}).json()["id"]
        step = ask(mock, "POST", f"/jobs/{job}/steps", {"text": "x"}).json()
        ask(mock, "POST", f"/jobs/{job}/steps/{step['id']}/lines", {"text": "y"})
        assert step["job_id"] == str(job)
        assert [len(mock.resources[name]) for name in ("jobs", "steps", "lines")] == [1, 1, 1]
        ask(mock, "DELETE", f"/jobs/{job}")
        assert [len(mock.resources[name]) for name in ("jobs", "steps", "lines")] == [0, 0, 0]


# -- changes


def test_a_client_cannot_change_what_only_the_server_sets(tmp_path: Path) -> None:
    with open_mock(contract=jobs(tmp_path), clock=CREATED) as mock:
        made = ask(mock, "POST", "/jobs", {"name": "a", "id": 77}).json()
        assert made["id"] == 1
        for method in ("PUT", "PATCH"):
            sent = {"name": method, "id": 99, "owner": "me"}
            changed = ask(mock, method, f"/jobs/{made['id']}", sent).json()
            assert (changed["name"], changed["id"], changed.get("owner")) == (method, 1, made.get("owner"))


def test_a_secret_that_is_sent_is_not_kept(tmp_path: Path) -> None:
    with open_mock(contract=jobs(tmp_path)) as mock:
        made = ask(mock, "POST", "/jobs", {"name": "a", "password": "planted-word"})
        changed = ask(mock, "PATCH", f"/jobs/{made.json()['id']}", {"password": "planted-word"})
        kept = ask(mock, "GET", f"/jobs/{made.json()['id']}")
        assert [each.status_code for each in (made, changed, kept)] == [201, 200, 200]
        assert "planted-word" not in made.text + changed.text + kept.text


def test_if_match_holds_for_a_deletion_and_a_star_for_any_version(tmp_path: Path) -> None:
    with open_mock(contract=jobs(tmp_path)) as mock:
        path = f"/jobs/{ask(mock, 'POST', '/jobs', {'name': 'a'}).json()['id']}"
        tag = ask(mock, "GET", path).headers["etag"]
        assert ask(mock, "PUT", path, {"name": "b"}, if_match="*").status_code == 200
        assert ask(mock, "DELETE", path, if_match=tag).status_code == 412
        assert ask(mock, "GET", path).json()["name"] == "b"
        tag = ask(mock, "GET", path).headers["etag"]
        assert ask(mock, "DELETE", path, if_match=f'"other", W/{tag}').status_code == 204


@pytest.mark.parametrize(
    ("state", "creates", "status", "kept"),
    [("strict", False, 404, 404), ("strict", True, 201, 200), ("auto", True, 201, 200), ("auto", False, 200, 200)],
)
def test_a_replacement_of_what_is_not_there_creates_it_where_that_is_meant(
    tmp_path: Path, state: str, creates: bool, status: int, kept: int
) -> None:
    file = Path(jobs(tmp_path))
    if creates:
        content = yaml.safe_load(file.read_text())
        content["paths"]["/jobs/{job_id}"]["put"]["responses"] |= reply(JOB, "201")
        file.write_text(yaml.safe_dump(content))
    with open_mock(contract=str(file), state=state) as mock:
        assert ask(mock, "PUT", "/jobs/7", {"name": "a"}).status_code == status
        assert ask(mock, "GET", "/jobs/7").status_code == kept
        assert ask(mock, "PUT", "/jobs/7", {"name": "b"}).status_code == (404 if status == 404 else 200)


def test_strict_knows_nothing_below_what_was_not_created_either(tmp_path: Path) -> None:
    with open_mock(contract=jobs(tmp_path), state="strict") as mock:
        for path in ("/jobs/7/log", "/jobs/7/steps", "/jobs/7/steps/1"):
            assert ask(mock, "GET", path).status_code == 404, path
        id = ask(mock, "POST", "/jobs", {"name": "a"}).json()["id"]
        assert ask(mock, "GET", f"/jobs/{id}/log").status_code == 200
        assert ask(mock, "GET", f"/jobs/{id}/steps").json() == []


# -- actions


def test_an_action_sets_flag_and_time_of_its_word_and_what_was_sent(tmp_path: Path) -> None:
    note = {"type": "object", "properties": {"note": TEXT}}
    file = jobs(tmp_path, __archive={"post": take(note, JOB)})
    with open_mock(contract=file, clock=CREATED) as mock:
        path = f"/jobs/{ask(mock, 'POST', '/jobs', {'name': 'a'}).json()['id']}"
        assert ask(mock, "GET", path).json().get("archived_at") is None
        done = ask(mock, "POST", f"{path}/archive", {"note": "old"}).json()
        assert (done["archived"], done["archived_at"], done["note"]) == (True, "2026-11-28T12:00:00.000Z", "old")
        assert ask(mock, "GET", path).json() == done


@pytest.mark.parametrize(("statuses", "second"), [(("409", "400"), 409), (("400",), 400), ((), 200)])
def test_what_is_so_already_is_refused_as_it_is_declared(
    tmp_path: Path, statuses: tuple[str, ...], second: int
) -> None:
    file = jobs(tmp_path, __stop={"post": declared(get(JOB), *statuses)})
    with open_mock(contract=file) as mock:
        path = f"/jobs/{ask(mock, 'POST', '/jobs', {'name': 'a', 'state': 'new'}).json()['id']}/stop"
        assert ask(mock, "POST", path).json()["state"] == "stopped"
        assert ask(mock, "POST", path).status_code == second


LIFE = """
resources:
  jobs:
    item: /jobs/{job_id}
    life:
      field: state
      initial: new
      actions:
        launch: {from: [new], to: running}
        halt: {to: stopped}
"""


def test_a_life_that_is_written_down_is_lived(tmp_path: Path) -> None:
    paths = {f"__{verb}": {"post": declared(get(JOB), "409")} for verb in ("launch", "halt")}
    (tmp_path / "life.yaml").write_text(LIFE)
    with open_mock(contract=jobs(tmp_path, **paths), resources=tmp_path / "life.yaml") as mock:
        made = ask(mock, "POST", "/jobs", {"name": "a", "state": "stopped"}).json()
        path = f"/jobs/{made['id']}"
        assert made["state"] == "new"
        launched = ask(mock, "POST", f"{path}/launch")
        assert (launched.json()["state"], launched.headers["x-mock-state"]) == (
            "running",
            f"jobs/{made['id']} state new -> running",
        )
        refused = ask(mock, "POST", f"{path}/launch")
        assert (refused.status_code, "Its state is running." in refused.headers["x-mock-message"]) == (409, True)
        assert ask(mock, "POST", f"{path}/halt").json()["state"] == "stopped"
        assert ask(mock, "GET", path).json()["state"] == "stopped"
