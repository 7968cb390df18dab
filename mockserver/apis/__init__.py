"""The API packs that are built in."""

PACKS = ("llamacloud_chat", "resources")
"""The packs, each a folder here whose `pack.API` is it."""

DEFAULT = "llamacloud-chat"
"""The one that is served where nothing is said."""

FALLBACK = "resources"
"""The one that plays a contract of the user's where nothing is said."""
