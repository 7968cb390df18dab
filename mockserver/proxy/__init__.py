"""Stands between a client and the real service: forwards, judges, records, replays."""
