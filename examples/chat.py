"""A chat in the terminal, on LlamaCloud's own client (pip install llama-cloud): python chat.py [INDEX ...]"""

import json
import sys
from contextlib import suppress
from typing import Any

from llama_cloud import APIError, LlamaCloud

HELP = "/new or /open ID, then talk; also /title MESSAGE, /list, /delete ID, /quit"


def say(chat: Any, session_id: str, prompt: str, index_ids: list[str]) -> None:
    """Say something, and print the answer while it comes."""
    with chat.with_streaming_response.stream(session_id, index_ids=index_ids, prompt=prompt) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                if event["type"] == "text_delta":
                    print(event["content"], end="", flush=True)
                elif event["type"] == "stop":
                    print(f"failed: {event['error']}" if event["is_error"] else "")


def obey(chat: Any, session_id: str, line: str, index_ids: list[str]) -> str:
    """Do what a line says, and give the id of the session that is open afterwards."""
    match line.split(" ", 1):
        case ["/new"]:
            session_id = chat.create().session_id
            print(f"session {session_id}")
        case ["/open", session_id]:
            for event in chat.retrieve(session_id).events:
                if event.type in ("user_input", "text"):
                    print(f"{event.type}: {event.content}")
        case ["/title", message] if hasattr(chat, "set_title"):  # newer releases: the first message has done it
            print(chat.set_title(session_id, first_message=message).generated_title)
        case ["/list"]:
            for each in chat.list():
                print(each.session_id, each.generated_title or "(no title yet)")
        case ["/delete", other]:
            chat.delete(other)
        case [word, *_] if session_id and word and word[0] != "/":
            say(chat, session_id, line, index_ids)
        case _:
            print(HELP)
    return session_id


if __name__ == "__main__":
    client = LlamaCloud()  # finds its server by LLAMA_CLOUD_BASE_URL and LLAMA_CLOUD_API_KEY
    chats = getattr(client, "chat", client.beta.chat)  # newer releases have moved it out of beta
    opened, indexes = "", sys.argv[1:] or ["idx-abc123"]
    print(HELP)
    with suppress(EOFError, KeyboardInterrupt):
        while (entered := input("> ").strip()) != "/quit":
            try:
                opened = obey(chats, opened, entered, indexes)
            except (APIError, ValueError) as error:
                print(f"failed: {error}")
