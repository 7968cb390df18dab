"""Decode and validate requests."""
