"""Another tool finds nothing wrong with the sequences of requests that the mock of a real document plays."""

from pathlib import Path

import pytest
import yaml

from mockserver.testing import open_mock
from tests.apis.resources.documents import shop
from tests.real_documents import DIRECTORY, installed
from tests.schemathesis_runs import Verdict, judge

LISTED = sorted((Path(__file__).parent / "listed").glob("*.yaml"))

WITHOUT_SEQUENCES = frozenset(("apptigent", "fecru"))
"""The documents in which the tool sees no operations that follow each other."""

CHECKED = "use_after_free,ensure_resource_availability,not_a_server_error"


def judged(file: Path, folder: Path, examples: int) -> Verdict:
    """Serve a document, and let the tool ask in sequences, so many of each."""
    options = ("--phases", "stateful", "--max-examples", str(examples))
    with open_mock(contract=str(file), state="strict", auth=False, live=True) as mock:
        return judge(mock.base_url, "any", folder, *options, contract=str(file), checks=CHECKED)


@pytest.mark.thorough("the package of documents has 800 MB, and each is asked for a minute")
@pytest.mark.parametrize(
    "listed", [each for each in LISTED if each.stem not in WITHOUT_SEQUENCES], ids=lambda e: e.stem
)
def test_what_is_deleted_is_gone_and_what_is_created_is_there_in_real_documents(listed: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(listed.read_text("utf-8"))["document"]
    verdict = judged(installed(DIRECTORY) / "api" / document, tmp_path, 25)
    assert (verdict.code, verdict.findings) == (0, 0), verdict.text
    assert verdict.phases["stateful"] == "success"
    assert verdict.cases > 40


@pytest.mark.thorough("it takes half a minute; other tests check each rule")
def test_what_is_deleted_is_gone_and_what_is_created_is_there(tmp_path: Path) -> None:
    verdict = judged(Path(shop(tmp_path)), tmp_path, 50)
    assert (verdict.code, verdict.findings) == (0, 0), verdict.text
    assert verdict.cases > 40
