"""What the tests of the client check share: the environments of released clients, and of one with planted defects."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from mockserver.apis.llamacloud_chat.check.part import SDK
from mockserver.check.client.environments import UnavailableError, environment, interpreter, kept
from mockserver.messages import Json
from tests.clients import defects
from tests.clients import environments as others
from tests.clients.conftest import missing
from tests.strategies import ROOT

NEWEST = "2.19.0"


def reported(factory: pytest.TempPathFactory, name: str, *arguments: str) -> Json:
    """Give the report of a command that ends well; it is run once, however many processes share the tests."""
    base = factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name

    def make(folder: Path) -> None:
        folder.mkdir()
        command = [sys.executable, "-m", "mockserver", *arguments, "--quiet", "--cache", str(others.CACHE)]
        reports = ["--report", f"json={folder / 'report.json'}"]
        done = subprocess.run([*command, *reports], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return json.loads((kept(place, make) / "report.json").read_text("utf-8"))


def released(version: str) -> Path:
    """Give the environment of a release, from the cache that all tests of clients share."""
    try:
        return environment(SDK, version, others.CACHE)
    except UnavailableError as error:
        missing(others.UnavailableError(str(error)))


class Failure:
    """An environment of the newest release, in which one defect at a time is in force."""

    def __init__(self, folder: Path) -> None:
        (packages,) = (released(NEWEST) / "lib").glob("python*/site-packages")
        venv.create(folder, symlinks=True, with_pip=False)
        (own,) = (folder / "lib").glob("python*/site-packages")
        (own / "client.pth").write_text(f"{packages}\n", "utf-8")
        shutil.copy(defects.__file__, own / "sitecustomize.py")
        self._file = own / defects.HERE.name
        self.python = interpreter(folder)
        self.be("")

    def be(self, defect: str) -> None:
        """Put a defect in force; "" for none."""
        self._file.write_text(defect, "utf-8")
