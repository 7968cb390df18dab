"""A browser for the tests of the page, driven by Playwright and watched for what a page must not do."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    sync_playwright,
)

from tests.needs import need
from tests.real_documents import installed
from tests.talk import KEY

AXE = "axe-core@4.14.1"
SERIOUS = ("serious", "critical")

PATIENCE = 10_000.0
"""Milliseconds that the page may take on a busy machine."""


def launched(playwright: Playwright) -> Browser:
    """Start Debian's Chromium; the tests that lack it say so."""
    program = need("chromium")
    quiet = ["--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-gpu"]
    return playwright.chromium.launch(executable_path=program, args=quiet)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Give Debian's Chromium; it asks nobody by itself.

    It ends with these tests: while Playwright runs, a loop runs in this thread, and others cannot have one.
    """
    with sync_playwright() as playwright:
        started = launched(playwright)
        yield started
        started.close()


@pytest.fixture
def complaints() -> list[str]:
    """Give the list of what a page complained of so far, and of whom else it asked."""
    return []


@pytest.fixture
def context(browser: Browser, serve: Callable[..., str], complaints: list[str]) -> Iterator[BrowserContext]:
    """Give a profile of its own, which may copy; a page in it must not complain, nor ask another host.

    It ends before the servers do.
    """
    assert callable(serve)
    opened = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    opened.set_default_timeout(PATIENCE)
    wrong = complaints

    def complained(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not is_refusal(message):
            wrong.append(message.text)

    def asked(request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            wrong.append(f"asked {request.url}")

    opened.on("console", complained)
    opened.on("weberror", lambda error: wrong.append(str(error.error)))
    opened.on("request", asked)
    yield opened
    opened.close()
    assert wrong == []


def is_refusal(message: ConsoleMessage) -> bool:
    """Return whether a message only tells that an answer has a status above 399: the browser tells of each."""
    return message.text.startswith("Failed to load resource: the server responded with a status of")


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Give an empty tab."""
    return context.new_page()


@cache
def axe() -> str:
    """Give the program that looks for what keeps people out."""
    return (installed(AXE) / "axe.min.js").read_text("utf-8")


def barriers(page: Page) -> list[str]:
    """List what axe-core finds serious in a page as it stands, light and dark."""
    found: list[str] = []
    page.evaluate(axe())  # from the driver, which no policy of the page binds
    looks: list[tuple[Literal["light", "dark"], str]] = [("light", "{}"), ("dark", "{runOnly: ['color-contrast']}")]
    for scheme, rules in looks:
        page.emulate_media(color_scheme=scheme)
        told: Any = page.evaluate(f"() => axe.run({rules})")
        found += [
            f"{scheme}: {each['id']}: {each['help']}: {node['html']}"
            for each in told["violations"]
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]
    page.emulate_media(color_scheme="light")
    return found


@pytest.fixture
def chat(serve: Callable[..., str]) -> Iterator[httpx.Client]:
    """Give a client of a mock of the chat."""
    with httpx.Client(base_url=serve(seed=1), headers={"authorization": KEY}) as client:
        yield client


def shown(client: httpx.Client) -> str:
    """Give the address of the page of the mock that a client asks."""
    return f"{client.base_url}__mock__/" if str(client.base_url).endswith("/") else f"{client.base_url}/__mock__/"


def rows(page: Page) -> Locator:
    """Give the rows of the list that are drawn."""
    return page.get_by_role("listbox", name="Exchanges").get_by_role("option")


def title(client: httpx.Client, message: Any, session: str = "ses-1", **headers: str) -> httpx.Response:
    """Ask for a title."""
    fields = {"content-type": "application/json", **headers}
    body = json.dumps({"first_message": message})
    return client.post(f"/api/v1/chat/{session}/title", content=body, headers=fields)
