"""A document is compared with itself at a revision of git, with the files that it refers to there."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Done, run


def git(folder: Path, *arguments: str) -> None:
    named = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *named, "-C", folder, *arguments], check=True, capture_output=True)


def document(*parameters: Any) -> dict[str, Any]:
    schema = {"$ref": "pet.json"}
    replies = {"200": {"description": "so", "content": {"application/json": {"schema": schema}}}}
    operation = {"operationId": "listPets", "parameters": list(parameters), "responses": replies}
    return {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": {"/pets": {"get": operation}}}


LIMIT = {"name": "limit", "in": "query", "required": True, "schema": {"type": "integer"}}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Give a checkout with a document in two files, and a tag on it."""
    folder = tmp_path / "shop"
    (folder / "api").mkdir(parents=True)
    (folder / "api/openapi.json").write_text(json.dumps(document()))
    (folder / "api/pet.json").write_text(json.dumps({"type": "object", "properties": {"name": {"type": "string"}}}))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    git(folder, "tag", "v1")
    return folder


def since(folder: Path, revision: str, *more: str) -> Done:
    return run("drift", "--since", revision, "api/openapi.json", *more, cwd=folder)


def test_what_breaks_a_client_since_the_last_tag_fails(shop: Path) -> None:
    assert since(shop, "last-tag").returncode == 0
    (shop / "api/openapi.json").write_text(json.dumps(document(LIMIT)))
    done = since(shop, "last-tag")
    assert done.returncode == 1
    assert "last-tag:api/openapi.json -> api/openapi.json" in done.stdout
    git(shop, "commit", "--quiet", "--all", "--message", "two")
    assert since(shop, "v1").returncode == 1
    assert since(shop, "HEAD").returncode == 0


def test_a_change_in_a_file_that_it_refers_to_is_seen(shop: Path) -> None:
    pet = {"type": "object", "properties": {"name": {"type": "integer"}}}
    (shop / "api/pet.json").write_text(json.dumps(pet))
    assert since(shop, "last-tag").returncode == 1


def test_a_document_that_was_not_there_is_not_compared_and_each_of_several_is(shop: Path) -> None:
    (shop / "new.json").write_text(json.dumps(document()).replace("pet.json", "api/pet.json"))
    (shop / "api/openapi.json").write_text(json.dumps(document(LIMIT)))
    done = since(shop, "v1", "new.json")
    assert done.returncode == 1
    assert "new.json was not there at v1: nothing is compared" in done.stdout


@pytest.mark.parametrize("revision", ["none", "--output=x", "HEAD:api"])
def test_a_revision_that_is_none_is_an_error(shop: Path, revision: str) -> None:
    done = run("drift", f"--since={revision}", "api/openapi.json", cwd=shop)
    assert done.returncode == 3
    assert "git does not know the revision" in done.stderr
    assert not (shop / "x").exists()


def test_a_file_outside_a_checkout_and_too_few_names_are_errors(tmp_path: Path) -> None:
    (tmp_path / "alone.json").write_text(json.dumps(document()))
    assert run("drift", "--since", "last-tag", "alone.json", cwd=tmp_path).returncode == 3
    assert run("drift", "--since", "last-tag", "none.json", cwd=tmp_path).returncode == 2
    assert run("drift", "2.17", cwd=tmp_path).returncode == 2


def test_a_report_in_a_file_is_of_one_document(shop: Path) -> None:
    done = run("drift", "--since", "v1", "a.json", "b.json", "--report", "json=x", cwd=shop)
    assert done.returncode == 2
    assert "name one file at a time" in done.stderr
