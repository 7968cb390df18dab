"""The README's Python example, run as it stands by the client that it names."""

import re
import subprocess
import sys
from pathlib import Path

from tests.clients.conftest import missing
from tests.clients.environments import UnavailableError, clean_environ, command, environment
from tests.clients.releases import PYTHON_2_7, PYTHON_2_19

README = (Path(__file__).parent.parent.parent / "README.md").read_text("utf-8")


def test_the_python_example_prints_what_the_readme_shows(base_url: str) -> None:
    code, output = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)[0]
    try:
        python = command(PYTHON_2_7)[0]
    except UnavailableError as error:
        missing(error)
    environ = clean_environ() | {"LLAMA_CLOUD_BASE_URL": base_url, "LLAMA_CLOUD_API_KEY": "any-key"}
    done = subprocess.run([python, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (output, "")


def test_the_test_of_the_readme_passes_as_it_is_pasted(tmp_path: Path) -> None:
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "def test_" in block)
    (tmp_path / "test_pasted.py").write_text(code, "utf-8")
    try:
        (packages,) = environment(PYTHON_2_19).glob("lib/python*/site-packages")
    except UnavailableError as error:
        missing(error)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environ = clean_environ() | {"PYTHONPATH": str(packages)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert "1 passed" in done.stdout, done.stdout
