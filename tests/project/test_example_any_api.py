"""The example of an API of one's own does what its page says: a backend for a page, tests, a workflow."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from mockserver.api import make_settings
from mockserver.cli import ready_lines
from mockserver.engine import Mock
from mockserver.server.uvicorn import running
from tests.conftest import app_of
from tests.needs import need
from tests.strategies import ROOT

EXAMPLE = ROOT / "examples" / "any-api"
TEXT = (EXAMPLE / "README.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"```console\n\$ ([^\n]*)\n(.*?)```", TEXT, re.DOTALL))


def mock() -> Mock:
    return Mock(make_settings({"contract": str(EXAMPLE / "orders.yaml"), "seed": 1}))


def test_the_start_says_what_the_page_shows() -> None:
    shown = BLOCKS["mockserver serve --contract orders.yaml --seed 1"]
    assert ready_lines(mock(), "http://127.0.0.1:4010") + "\n" == shown


def test_a_wrong_request_gets_the_answer_of_the_page() -> None:
    (command,) = (each for each in BLOCKS if each.startswith("curl"))
    body = re.search(r"--json '(.*)'", command)
    assert body is not None
    with running(app_of(mock())) as url:
        answer = httpx.post(f"{url}/v1/orders", headers={"x-api-key": "any-key"}, json=json.loads(body[1]))
    assert answer.text + "\n" == BLOCKS[command]
    assert answer.headers["x-mock-pointer"] == "/body/lines"


def test_the_script_of_the_page_lists_orders_from_another_origin() -> None:
    origin = {"origin": "http://localhost:8000"}
    asked = {"access-control-request-method": "GET", "access-control-request-headers": "x-api-key"}
    script = (
        "const {orders} = await import(process.argv[1]); console.log(JSON.stringify(await orders(process.argv[2])))"
    )
    with running(app_of(mock())) as url:
        permitted = httpx.options(f"{url}/orders", headers={**origin, **asked})
        answer = httpx.get(f"{url}/orders", headers={**origin, "x-api-key": "any-key"})
        command = [need("node"), "--input-type=module", "-e", script, str(EXAMPLE / "orders.mjs"), url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "x-api-key" in permitted.headers["access-control-allow-headers"].lower()
    assert "x-total-count" in answer.headers["access-control-expose-headers"].lower()
    listed = json.loads(done.stdout)
    assert listed["total"] >= 0
    assert all(each["status"] in ("open", "paid", "cancelled") for each in listed["list"])


def test_its_tests_pass_and_fail_with_a_defect_in_its_client(pytester: pytest.Pytester) -> None:
    for name in ("orders.yaml", "shop.py", "test_shop.py"):
        shutil.copy(EXAMPLE / name, pytester.path)
    options = ("-q", "-pno:cacheprovider", "-pno:hypothesispytest", "-pno:faker")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=4)
    client = Path(pytester.path) / "shop.py"
    client.write_text(client.read_text("utf-8").replace('"quantity": count', '"amount": count'), "utf-8")
    ran = pytester.runpytest_subprocess(*options)
    assert ran.parseoutcomes()["failed"] == 2
    ran.stdout.fnmatch_lines(["*/body/lines/0*quantity*"])


def test_its_workflow_names_commands_that_there_are() -> None:
    steps = yaml.safe_load((EXAMPLE / "mockserver.yml").read_text("utf-8"))["jobs"]["contract"]["steps"]
    commands = set(re.findall(r"^\s*mockserver (\S+)", "\n".join(each.get("run", "") for each in steps), re.MULTILINE))
    assert commands == {"validate", "drift", "serve", "check"}
    assert "examples/any-api" in (ROOT / "README.md").read_text("utf-8")
