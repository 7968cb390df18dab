"""A small client of LlamaCloud chats: it sets and lists titles, asks questions, and tries again."""

import json
import time
from collections.abc import Callable, Iterator

import httpx

CHAT = "/api/v1/chat"
RETRIED = (408, 429, 500, 502, 503, 504)
ATTEMPTS = 3
LONGEST_PROMPT = 1000


class AnswerCutOffError(Exception):
    """An answer ended before it was complete."""


class Titles:
    """Talks to the chats of one key."""

    def __init__(self, http: httpx.Client, key: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.http, self.key, self.sleep = http, key, sleep

    def call(self, method: str, path: str, **sent: object) -> httpx.Response:
        """Make a call; try again where that can help, after the pause that the server asks for."""
        for attempt in range(ATTEMPTS):
            headers = {"authorization": f"Bearer {self.key}", "x-stainless-retry-count": str(attempt)}
            try:
                response = self.http.request(method, path, headers=headers, **sent)  # type: ignore[arg-type]
            except httpx.TransportError:
                if attempt == ATTEMPTS - 1:
                    raise
                self.sleep(0.1)
                continue
            if response.status_code not in RETRIED or attempt == ATTEMPTS - 1:
                break
            self.sleep(float(response.headers.get("retry-after", 0.1)))
        return response.raise_for_status()

    def new(self, *index_ids: str) -> str:
        """Make a session on some indexes."""
        made = self.call("POST", CHAT, json={"index_ids": list(index_ids)})
        return str(made.json()["session_id"])

    def name(self, session_id: str, message: str) -> str:
        """Give a session its title."""
        titled = self.call("POST", f"{CHAT}/{session_id}/title", json={"first_message": message})
        return str(titled.json()["generated_title"])

    def all(self, size: int = 2) -> Iterator[str]:
        """Give the titles of all sessions, page by page; of one without, its id."""
        page = {"page_size": str(size)}
        while True:
            told = self.call("GET", CHAT, params=page).json()
            yield from (each["generated_title"] or each["session_id"] for each in told["items"])
            if not told.get("next_page_token"):
                return
            page["page_token"] = told["next_page_token"]

    def ask(self, session_id: str, prompt: str, *index_ids: str) -> str:
        """Ask, and give the whole answer; AnswerCutOffError where it is not whole."""
        body = {"prompt": prompt[:LONGEST_PROMPT], "index_ids": list(index_ids)}
        try:
            told = self.call("POST", f"{CHAT}/{session_id}/messages/stream", json=body).text
        except httpx.RemoteProtocolError as error:
            raise AnswerCutOffError(session_id) from error
        events = [json.loads(line.removeprefix("data: ")) for line in told.splitlines() if line.startswith("data: ")]
        if not events or events[-1]["type"] != "stop":
            raise AnswerCutOffError(session_id)
        return "".join(event["content"] for event in events if event["type"] == "text_delta")

    def remove(self, session_id: str) -> bool:
        """Delete a session; say whether there was one."""
        try:
            self.call("DELETE", f"{CHAT}/{session_id}")
        except httpx.HTTPStatusError as error:
            if error.response.status_code == 404:
                return False
            raise
        return True
