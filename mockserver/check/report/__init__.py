"""Findings as reports in several formats."""
