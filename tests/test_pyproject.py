"""The API pack in force, and the settings of pyproject.toml, before options are parsed."""

from pathlib import Path

import pytest

from mockserver.errors import UsageError
from mockserver.pyproject import api_of, read_pyproject


@pytest.mark.parametrize(
    ("args", "defaults", "name"),
    [
        ([], {}, "llamacloud-chat"),
        (["--contract", "own.yaml"], {}, "resources"),
        (["--contract=2.6"], {}, "llamacloud-chat"),
        (["--", "--api", "none"], {}, "llamacloud-chat"),
        ([], {"contract": ["own.yaml"]}, "resources"),
        (["--api", "llamacloud-chat"], {"contract": ["own.yaml"]}, "llamacloud-chat"),
        (["--api", "none"], {}, None),
    ],
)
def test_options_choose_the_pack_before_they_are_parsed(
    args: list[str], defaults: dict[str, list[str]], name: str | None
) -> None:
    found = api_of(args, defaults)
    assert (None if found is None else found.name) == name


def test_a_state_is_a_word_or_a_file_beside_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mockserver]\nstate = "strict,saved.jsonl"\n')
    assert read_pyproject(tmp_path) == {"state": f"strict,{tmp_path}/saved.jsonl"}


def test_a_key_that_is_no_option_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.mockserver]\nport_ = 5\n")
    with pytest.raises(UsageError) as caught:
        read_pyproject(tmp_path)
    assert str(tmp_path) in caught.value.where
