"""Coding agents, as a client of the SDK plays them."""
