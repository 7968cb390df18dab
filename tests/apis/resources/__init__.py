"""Tests of the pack that plays the resources of any document."""
