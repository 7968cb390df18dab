"""The API packs that are built in."""
