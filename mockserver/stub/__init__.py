"""Stubbed answers and faults."""
