"""Takes the screenshots of docs/page.md: `make screenshots`."""

from pathlib import Path

import httpx
from playwright.sync_api import Page, ViewportSize, sync_playwright

from mockserver.control.app import make_app
from mockserver.server.uvicorn import running
from tests.conftest import settings
from tests.page.conftest import launched
from tests.strategies import ROOT
from tests.talk import KEY

IMAGES = ROOT / "docs" / "images"
SIZE: ViewportSize = {"width": 1180, "height": 640}
ORDER = {"email": "ada@example.org", "lines": [{"sku": "AB-1234", "quantity": 2}]}


def send_some(client: httpx.Client) -> None:
    """Send what an app of a shop would, with a mistake in it."""
    client.get("/orders")
    made = client.post("/orders", json=ORDER).json()
    client.get(f"/orders/{made.get('id', 'x')}")
    client.post(
        "/__mock__/stubs", json={"operation": "create_order", "answers": [{"status": 500, "invalid": True}, {}]}
    )
    client.post("/orders", json=ORDER)
    client.post("/orders", json=ORDER, headers={"x-stainless-retry-count": "1"})
    client.post("/orders", json={**ORDER, "lines": [{"sku": "AB-1234", "quantity": 0}]})


def take(page: Page, url: str, folder: Path) -> None:
    """Take a picture of each view."""
    page.goto(f"{url}/__mock__/")
    page.locator(".row").last.click()
    page.get_by_role("region", name="Request body").wait_for()
    page.screenshot(path=folder / "page-traffic.png")
    page.goto(f"{url}/__mock__/#/contract/create_order")
    page.get_by_text("The contract allows this request.").wait_for()
    page.screenshot(path=folder / "page-contract.png")
    page.goto(f"{url}/__mock__/#/stubs")
    page.get_by_role("list", name="Stubs").wait_for()
    page.screenshot(path=folder / "page-stubs.png")
    page.goto(f"{url}/__mock__/#/check")
    page.get_by_label("Requests that are drawn").fill("20")
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_role("region", name="Report").wait_for(timeout=120_000)
    page.get_by_role("progressbar").wait_for(state="detached")
    page.screenshot(path=folder / "page-check.png")


def main() -> None:
    """Serve the shop of the examples, and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    document = ROOT / "examples" / "any-api" / "orders.yaml"
    with running(make_app(settings(seed=1, contract=str(document)))) as url, sync_playwright() as playwright:
        with httpx.Client(base_url=url, headers={"authorization": KEY, "x-api-key": "any-key"}) as client:
            send_some(client)
        browser = launched(playwright)
        take(browser.new_page(viewport=SIZE), url, IMAGES)
        browser.close()


if __name__ == "__main__":
    main()
