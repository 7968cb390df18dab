"""The page is one document under a policy of hashes, small, and the same for a report."""

import base64
import json
import re
from hashlib import sha256
from html import unescape

from mockserver.page.bundle import FILES, VENDORED, live_page, report_page

SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def test_the_policy_allows_the_script_and_the_style_that_there_are_and_nothing_unsafe() -> None:
    page = live_page()
    assert "unsafe" not in page.policy
    assert page.policy.startswith("default-src 'none'; ")
    text = page.content.decode()
    for pattern, name in ((SCRIPT, "script-src"), (STYLE, "style-src")):
        (inline,) = pattern.findall(text)
        hashed = base64.b64encode(sha256(inline.encode()).digest()).decode()
        assert f"{name} 'sha256-{hashed}';" in page.policy
    assert not re.findall(
        r"\s(?:on\w+|style|src|href)=(?![\"']?(?:data:|\$))", re.sub(SCRIPT, "", re.sub(STYLE, "", text))
    )


def test_nothing_in_the_script_can_end_it() -> None:
    (script,) = SCRIPT.findall(live_page().content.decode())
    assert "</script" not in script.lower()
    assert "<!--" not in script


def test_the_page_is_under_150_kilobytes() -> None:
    assert len(live_page().content) < 150_000


def test_every_module_is_in_the_page_and_no_import_is_left() -> None:
    (script,) = SCRIPT.findall(live_page().content.decode())
    for path in (*FILES.glob("*.js"), *FILES.glob("vendor/*.mjs")):
        name = re.sub(r"\W", "_", path.relative_to(FILES).as_posix())
        assert script.count(f"const ${name} = (() => {{") == 1
    assert not re.search(r"^\s*(?:import|export)\b", script, re.MULTILINE)


def test_what_was_vendored_has_its_licence_beside_it() -> None:
    names = {name.partition("/")[0] for name in VENDORED}
    assert {path.name for path in (FILES / "vendor").glob("LICENSE-*")} == {f"LICENSE-{name}.txt" for name in names}
    assert all("licen" in path.read_text("utf-8").lower() for path in (FILES / "vendor").glob("LICENSE-*"))


def test_a_report_carries_its_policy_and_data_that_cannot_end_the_block() -> None:
    attack = "</script><script>alert(1)</script><!--"
    text = report_page({"attack": attack}).decode()
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
    assert unescape(policy).startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in policy
    (data,) = re.findall(r'<script type="application/json" id="report">(.*?)</script>', text, re.DOTALL)
    assert json.loads(data) == {"attack": attack}
