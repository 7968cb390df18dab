"""Asks a mock that runs somewhere else, by its control routes."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

import httpx

from mockserver.control.admin import Planned
from mockserver.errors import MockserverError, PlanError, StartError, StateError, StoreError
from mockserver.journal.exchange import Exchange, from_json
from mockserver.matching import Fields
from mockserver.messages import CONTROL, Json
from mockserver.stub.rules import read_spec, spec_json

PATIENCE = 10.0
"""Seconds to wait for an answer."""


class RemoteDesk:
    """Asks a running server, in one of its scopes; a StartError says where it cannot be reached."""

    def __init__(self, url: str, scope: str) -> None:
        self.url, self.scope = url.rstrip("/"), scope
        self._client = httpx.Client(
            base_url=self.url,
            headers={"x-mock-scope": scope},
            timeout=PATIENCE,
            trust_env=False,
            verify=not self.url.startswith("http:"),  # to read certificates takes a hundred times as long as all else
        )

    def _ask(self, method: str, path: str, *, value: Any = None, content: bytes | None = None) -> httpx.Response:
        try:
            response = self._client.request(method, CONTROL + path, json=value, content=content)
        except httpx.HTTPError as error:
            raise StartError(
                "the mock server cannot be reached",
                where=self.url,
                why=str(error) or type(error).__name__,
                mend="start it with: mockserver serve",
            ) from error
        if response.is_success or response.status_code in (404, 406):
            return response
        raise _told(response)

    @property
    def seed(self) -> int:
        """The seed of the scope."""
        return int(self._ask("GET", f"scopes/{quote(self.scope)}").json()["seed"])

    def give_seed(self, seed: int) -> None:
        """Give the scope a seed of its own."""
        self._ask("PUT", f"scopes/{quote(self.scope)}", value={"seed": seed})

    @cached_property
    def _contract(self) -> Json:
        response = self._ask("GET", "contract")
        if response.status_code == 404:
            what = "the mock server cannot be asked"
            raise StartError(what, where=self.url, why=response.text, mend="start it without --no-control")
        return response.json()

    @property
    def fields(self) -> Mapping[str, Fields]:
        """What the requests of each operation may have."""
        return {
            name: Fields(**{part: frozenset(names) for part, names in each.items()})
            for name, each in self._contract["fields"].items()
        }

    @property
    def journal_size(self) -> int:
        """How many exchanges are remembered."""
        return int(self._contract["journal_size"])

    @property
    def contracts(self) -> tuple[str, ...]:
        """The names of the contracts that are served, the newest first."""
        return tuple(str(each["name"]) for each in self._contract["contracts"])

    def exchanges(self) -> Sequence[Exchange]:
        """Give the journal."""
        return [from_json(each) for each in self._ask("GET", "journal").json()["exchanges"]]

    def clear_journal(self) -> None:
        """Forget it."""
        self._ask("DELETE", "journal")

    def planned(self) -> Sequence[Planned]:
        """Give what is planned."""
        return [_planned(each) for each in self._ask("GET", "plan").json()["planned"]]

    def put(self, spec: Json, number: int = 0) -> int:
        """Plan an answer, or change one."""
        value = spec_json(read_spec(spec))
        response = self._ask("PUT", f"plan/{number}", value=value) if number else self._ask("POST", "plan", value=value)
        return int(response.json()["numbers"][0])

    def remove(self, number: int = 0) -> None:
        """Take back one planned answer, or all."""
        self._ask("DELETE", f"plan/{number}" if number else "plan")

    def sessions(self) -> Sequence[Json]:
        """Give all sessions."""
        return list(self._ask("GET", "sessions").json()["sessions"])

    def session(self, session_id: str) -> Json:
        """Give a session with its events."""
        response = self._ask("GET", f"sessions/{quote(session_id, safe='')}")
        return response.json() if response.is_success else None

    def put_session(self, session_id: str, value: Mapping[str, Json]) -> Json:
        """Keep a session as it is said to be."""
        return self._ask("PUT", f"sessions/{quote(session_id, safe='')}", value=dict(value)).json()

    def delete_session(self, session_id: str) -> bool:
        """Delete a session."""
        return self._ask("DELETE", f"sessions/{quote(session_id, safe='')}").is_success

    def snapshot(self) -> bytes:
        """Give all that is kept of the sessions."""
        return self._ask("GET", "state").content

    def restore(self, state: bytes) -> int:
        """Bring back a snapshot."""
        return int(self._ask("PUT", "state", content=state).json()["sessions"])

    def reset(self) -> None:
        """Forget sessions, journal and plan, but not the seed."""
        self._ask("POST", f"scopes/{quote(self.scope)}/reset")

    def forget(self) -> None:
        """Forget all of the scope."""
        self._ask("DELETE", f"scopes/{quote(self.scope)}")

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _planned(value: Json) -> Planned:
    spec = {key: value[key] for key in ("operation", "when", "answers", "probability") if key in value}
    return Planned(
        value["number"], value["told"], spec, value["uses"], value.get("unused", ()), value.get("nearest", ())
    )


def _told(response: httpx.Response) -> MockserverError:
    """Give what a control route refused as the exception that it was there."""
    try:
        told = response.json()
        what, more = str(told.pop("detail")), {key: str(told[key]) for key in ("where", "why", "mend") if key in told}
    except (ValueError, KeyError, AttributeError):
        what, more = f"the mock server answered {response.status_code}", {"why": response.text[:200]}
    path = response.request.url.path
    if response.status_code == 400:
        return (StateError if "/sessions" in path or path.endswith("/state") else PlanError)(what, **more)
    return (StoreError if response.status_code == 503 else StartError)(what, **more)
