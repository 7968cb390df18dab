"""What is made up for the chat reads like what the chat says."""

import re
from random import Random
from typing import Any

import pytest

from mockserver.answer.generate import generate
from mockserver.apis.llamacloud_chat.pack import HINTS
from mockserver.contract.schema import Schema
from tests.strategies import component_schemas, contract_of, places_of

TITLE = re.compile(r"[A-Z][\w'/,-]*( [\w'/,&-]+){3,}\?\.\.\.")


def named(version: str, name: str) -> Schema:
    return Schema(contract_of(version).document, f"/components/schemas/{name}", version)


def many(schema: Schema, count: int = 300) -> list[Any]:
    return [generate(schema, Random(seed), hints=HINTS) for seed in range(count)]


def texts(name: str, version: str = "2.17") -> list[str]:
    """Give all texts generated under a key, in all answers of a version."""
    found = []
    for schema in component_schemas(version):
        for value in many(schema, 40):
            for path in places_of(value):
                inner = value
                for part in path:
                    inner = inner[part]
                if path and path[-1] == name and isinstance(inner, str):
                    found.append(inner)
    return found


def test_titles_read_like_titles() -> None:
    made = texts("generated_title")
    assert len(set(made)) > 30
    assert [title for title in made if not TITLE.fullmatch(title)] == []


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("session_id", r"ses-[a-z0-9]{6,16}"),
        ("call_id", r"call_[a-z0-9]+"),
        ("source_id", r"dfl-[a-z0-9]+"),
        ("attachment_name", r"screenshots/page_\d+\.jpg"),
        ("last_updated_at", r"2026-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"),
        ("next_page_token", r"[a-z0-9]{8,}"),
        ("content", r"[A-Z].{5,}\."),
        ("error", r"[A-Z].{5,}\."),
    ],
)
def test_texts_have_upstreams_form(name: str, form: str) -> None:
    made = texts(name)
    assert len(set(made)) > 5
    assert [text for text in made if not re.fullmatch(form, text)] == []


def ids(key: str) -> list[str]:
    sessions = many(named("2.17", "ChatSessionSummary"))
    if key == "index_ids":
        return [one for each in sessions for one in each.get(key) or ()]
    return [one for each in sessions for one in (each.get("job_metadata") or {}).get(key) or ()]


def test_index_ids_have_upstreams_form() -> None:
    assert len(ids("index_ids")) > 50
    assert all(re.fullmatch(r"idx-[a-z0-9]{6,16}", each) for each in ids("index_ids"))


def test_export_config_ids_are_index_ids_as_the_page_on_upstream_says() -> None:
    assert len(ids("export_config_ids")) > 20
    assert {each for each in ids("export_config_ids") if not re.fullmatch(r"idx-[a-z0-9]{6,16}", each)} == set()


def test_figures_are_sensible() -> None:
    made = many(named("2.6", "JobMetadata"))
    for key, low, high in (
        ("total_input_tokens", 1, 20_000),
        ("total_output_tokens", 1, 4_000),
        ("turns", 1, 20),
        ("duration_ms", 1, 120_000),
    ):
        figures = {each[key] for each in made if each.get(key) is not None}
        assert low <= min(figures) < max(figures) <= high
        assert len(figures) > 3


@pytest.mark.parametrize("name", ["JobMetadata", "StopEvent"])
def test_what_did_not_fail_has_no_error(name: str) -> None:
    made = [each for each in many(named("2.17", name)) if each.get("is_error") is False]
    assert len(made) > 50
    assert [each for each in made if each.get("error") is not None] == []


def test_a_failed_run_is_rare_but_there() -> None:
    made = [each for each in many(named("2.6", "JobMetadata")) if "is_error" in each]
    failed = sum(each["is_error"] for each in made)
    assert 0 < failed < len(made) / 4
