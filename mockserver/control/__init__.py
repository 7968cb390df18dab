"""The Admin API: routes, access, and a client for them."""
