"""The environments of the clients: made once, apart from each other, and missed aloud."""

from pathlib import Path

import pytest

from tests.clients.conftest import Drive, missing
from tests.clients.environments import CACHE, UnavailableError, command, make
from tests.clients.releases import PYTHON_2_7, PYTHONS, TYPESCRIPT_2_16, TYPESCRIPTS, Release

everyone = pytest.mark.parametrize("release", [*PYTHONS, *TYPESCRIPTS], ids=str)
NOWHERE = {
    "PIP_NO_INDEX": "1",
    "npm_config_offline": "true",
}
"""Variables under which nothing can be fetched."""


@everyone
def test_a_kept_environment_needs_no_registry(drive: Drive, monkeypatch: pytest.MonkeyPatch, release: Release) -> None:
    drive(release)
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    assert make(release, CACHE).is_dir()


@everyone
def test_each_release_runs_as_itself(drive: Drive, base_url: str, release: Release) -> None:
    python = release.language == "python"
    sent = drive(release).call(base_url, "create", {} if python else []).exchange
    assert sent.request_headers["user-agent"] == f"LlamaCloud/{'Python' if python else 'JS'} {release.version}"
    assert sent.request_headers["x-stainless-package-version"] == release.version


@pytest.mark.parametrize("release", [PYTHON_2_7, TYPESCRIPT_2_16], ids=str)
def test_what_cannot_be_fetched_is_named_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: Release
) -> None:
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(UnavailableError, match=rf"^{release.package} {release.version} cannot be had: .+"):
        make(release, tmp_path / "clients")
    assert [each.suffix for each in (tmp_path / "clients").iterdir()] == [".lock"]


def test_a_tool_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="there is no node here"):
        make(TYPESCRIPT_2_16, tmp_path / "clients")


def test_a_missing_client_fails_where_it_is_ci_and_is_skipped_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    error = UnavailableError("llama-cloud 0.0.0 cannot be had: no registry")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"llama-cloud 0\.0\.0"):
        missing(error)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=r"NOT TESTED: llama-cloud 0\.0\.0"):
        missing(error)


def test_the_python_clients_run_apart_from_the_project(drive: Drive) -> None:
    drive(PYTHON_2_7)
    interpreter, isolated, _ = command(PYTHON_2_7)
    assert (Path(interpreter).is_relative_to(CACHE), isolated) == (True, "-I")
