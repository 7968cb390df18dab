"""Check clients: play answers to a real client and judge how it copes."""
