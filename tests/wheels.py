"""The wheels of the released clients, fetched once and kept in .cache/wheels."""

import fcntl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from mockserver.apis.llamacloud_chat.check.part import RELEASES
from mockserver.apis.llamacloud_chat.check.sdk_source import read_package
from mockserver.check.changes.operations import Description
from tests.needs import untested
from tests.strategies import ROOT

WHEELS = ROOT / ".cache" / "wheels"


def fetch(release: str) -> str:
    """Fetch the wheel of a release where it is not there yet; say what went wrong, "" if nothing did."""
    if list(WHEELS.glob(f"llama_cloud-{release}-*.whl")):
        return ""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--retries=2", "--dest", str(WHEELS), f"llama-cloud=={release}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.stderr if done.returncode else ""


@cache
def missing() -> str:
    """Fetch what is not there yet, a few at a time and in one process at once; say what cannot be had."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    with (WHEELS / "lock").open("w") as lock, ThreadPoolExecutor(4) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return next((text for text in pool.map(fetch, RELEASES) if text), "")


def official() -> Path:
    """Give the wheel of the newest client that is known, which can be imported from."""
    if why := missing():
        untested(f"the wheels of the client cannot be had: {why.strip().splitlines()[-1]}")
    return next(WHEELS.glob(f"llama_cloud-{RELEASES[-1]}-*.whl"))


@cache
def release(version: str) -> Description:
    """Give what a release says; where it cannot be had the test is skipped loudly, in CI it fails."""
    if why := missing():
        untested(f"the wheels of the client cannot be had: {why.strip().splitlines()[-1]}")
    return read_package(next(WHEELS.glob(f"llama_cloud-{version}-*.whl")), f"client:{version}")
