"""The README's Python examples, run as they stand with what the README installs."""

import re
import subprocess
from pathlib import Path

from tests.clients.conftest import missing
from tests.clients.environments import (
    README,
    UnavailableError,
    clean_environ,
    command,
    interpreter,
    readme_environ,
    readme_installs,
)
from tests.clients.releases import PYTHON_2_7


def test_the_python_example_prints_what_the_readme_shows(base_url: str) -> None:
    code, output = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)[0]
    try:
        python = command(PYTHON_2_7)[0]
    except UnavailableError as error:
        missing(error)
    environ = clean_environ() | {"LLAMA_CLOUD_BASE_URL": base_url, "LLAMA_CLOUD_API_KEY": "any-key"}
    done = subprocess.run([python, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (output, "")


def test_the_test_of_the_readme_passes_as_it_is_pasted_with_what_the_readme_installs(tmp_path: Path) -> None:
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "def test_" in block)
    (tmp_path / "test_pasted.py").write_text(code, "utf-8")
    try:
        python = interpreter(readme_installs("'.[testing]' llama-cloud==2.7.0"))
    except UnavailableError as error:
        missing(error)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environ = readme_environ()
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
