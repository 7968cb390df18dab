"""Serve a Handler: ASGI, httpx transport, uvicorn."""
