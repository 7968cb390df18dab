"""Check the check: known-bad and unusual servers."""
