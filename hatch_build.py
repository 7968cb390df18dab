"""Puts the contracts and the fixtures into the wheel: the contracts as JSON, which loads faster, and as they are."""

import json
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class _Loader(yaml.SafeLoader):
    """YAML in which dates stay strings."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class DataHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own examples leave it bare
    """Ships `schemas/**/*.yaml`, also as JSON, and `fixtures/` under `mockserver/_data`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files to include; an editable install reads the checkout instead."""
        if version == "editable":
            return
        root = Path(self.root)
        self._made = tempfile.TemporaryDirectory(prefix="mockserver-wheel-")
        made = Path(self._made.name)
        include = build_data["force_include"]
        for source in sorted((root / "schemas").rglob("*.yaml")):
            target = made / source.relative_to(root).with_suffix(".json")
            target.parent.mkdir(parents=True, exist_ok=True)
            # The loader is a SafeLoader.
            document = yaml.load(source.read_text("utf-8"), _Loader)  # noqa: S506
            target.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), "utf-8")
            include[str(target)] = f"mockserver/_data/{target.relative_to(made).as_posix()}"
            include[str(source)] = f"mockserver/_data/{source.relative_to(root).as_posix()}"  # reports name its lines
        include[str(root / "fixtures")] = "mockserver/_data/fixtures"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was made for the build."""
        if version != "editable":
            self._made.cleanup()
