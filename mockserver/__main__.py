"""Lets `python -m mockserver` be the command."""

from mockserver.cli import start

start()
