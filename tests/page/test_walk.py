"""A newcomer's walk: serve a document, see a refused request, stub an error, see the retry, check, open the report."""

import re
import sys
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.needs import running
from tests.page.conftest import rows
from tests.strategies import ROOT

APP = """
import sys
import httpx

order = {"email": "ada@example.org", "lines": [{"sku": "AB-1234", "quantity": int(sys.argv[2])}]}
with httpx.Client(base_url=sys.argv[1], headers={"x-api-key": "any-key"}) as shop:
    for attempt in range(3):
        answer = shop.post("/orders", json=order)
        if answer.status_code != 503:
            break
print(answer.status_code)
"""
"""An app that orders, and tries again where the shop is busy."""


def test_a_newcomer_walks_from_the_first_request_to_the_report(page: Page, tmp_path: Path) -> None:
    document = tmp_path / "orders.yaml"
    document.write_bytes((ROOT / "examples" / "any-api" / "orders.yaml").read_bytes())
    command = [sys.executable, "-m", "mockserver"]
    with running([*command, "serve", "--contract", str(document), "--port", "0"], tmp_path / "serve.log") as server:
        found = re.search(r"ready at (http://[\d.:]+\d)", server.said("is ready at"))
        assert found is not None
        url = found[1]
        page.goto(f"{url}/__mock__/")

        def order(quantity: int) -> str:
            with running([sys.executable, "-c", APP, url, str(quantity)], tmp_path / "app.log") as app:
                app.process.wait(30)
                return app.log.read_text("utf-8").strip()

        # a mistake of the app is seen at its place
        assert order(0) == "400"
        rows(page).click()
        expect(page.get_by_role("region", name="Request body").locator("mark")).to_have_text(['"quantity": 0'])
        expect(page.get_by_role("region", name="What the contract says")).to_contain_text('"minimum": 1')

        # an error is stubbed, and the app tries again
        page.get_by_role("navigation", name="Views").get_by_role("link", name="Contract").click()
        page.get_by_role("link").filter(has_text="create_order").click()
        page.get_by_role("link", name="Make a stub").click()
        form = page.get_by_role("form", name="Stub")
        form.get_by_label("Status").fill("503")
        form.get_by_label("More").fill('{"invalid": true}')
        form.get_by_role("button", name="Save").click()
        expect(page.get_by_role("list", name="Stubs")).to_contain_text("0 uses")
        assert order(2) == "201"
        expect(page.get_by_role("list", name="Stubs")).to_contain_text("1 use")
        page.get_by_role("navigation", name="Views").get_by_role("link", name="Traffic").click()
        expect(rows(page)).to_contain_text(["400", "503", "201"])

        # the mock is checked, and the report opens as a file
        page.get_by_role("navigation", name="Views").get_by_role("link", name="Check").click()
        page.get_by_label("Requests that are drawn").fill("5")
        page.get_by_role("button", name="Check", exact=True).click()
        expect(page.get_by_role("region", name="Report")).to_contain_text("nothing wrong", timeout=60_000)
        file = tmp_path / "report.html"
        check = [*command, "check", url, "--contract", str(document), "--examples", "5", "--report", f"html={file}"]
        with running(check, tmp_path / "check.log") as checking:
            assert checking.process.wait(60) == 0, checking.log.read_text("utf-8")
        assert httpx.get(f"{url}/__mock__/health").json()["status"] == "ok"
        page.goto(file.as_uri())
        expect(page.get_by_role("region", name="Report")).to_contain_text("nothing wrong")
