"""Answers one title request many times without a server: what callgrind counts. Run as a file, with the count."""

import sys

from mockserver.engine import Mock
from mockserver.messages import HeaderTable, Request
from mockserver.settings import Settings

_TABLE = HeaderTable()


def request(path: str, body: str) -> Request:
    """Give the request as the edge would."""
    fields = [
        (b"host", b"127.0.0.1:4010"),
        (b"content-length", b"%d" % len(body)),
        (b"content-type", b"application/json"),
        (b"authorization", b"Bearer any-key"),
    ]
    return Request("POST", path, "", _TABLE.headers(fields), body.encode())


def main() -> None:
    """Answer the request `count` times: `handler.py <count> <path> <body>`."""
    count, path, body = sys.argv[1:]
    mock = Mock(Settings(seed=0))
    for _ in range(int(count)):
        response = mock.handle(request(path, body))
        if response.status != 200:
            sys.exit(f"the mock answered {response.status}")


if __name__ == "__main__":
    main()
