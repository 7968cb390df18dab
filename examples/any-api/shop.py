"""A small client of the orders API, as an app would have it."""

import os
import time
from typing import Any

import httpx


class Shop:
    """Orders things; `client` may be one that talks to a mock."""

    def __init__(self, client: httpx.Client | None = None) -> None:
        self.client = client or httpx.Client(base_url=os.environ.get("SHOP_URL", "https://shop.example/v1"))
        self.client.headers["x-api-key"] = os.environ.get("SHOP_KEY", "any-key")

    def order(self, email: str, **quantities: int) -> int:
        """Order things by their names, and return the number of the order."""
        lines = [{"sku": name.upper().replace("_", "-"), "quantity": count} for name, count in quantities.items()]
        return int(self._call("POST", "/orders", json={"email": email, "lines": lines}).json()["id"])

    def status(self, order_id: int) -> str | None:
        """Return the status of an order; None if there is no such order."""
        answer = self.client.get(f"/orders/{order_id}")
        return None if answer.status_code == 404 else str(answer.raise_for_status().json()["status"])

    def cancel(self, order_id: int) -> bool:
        """Cancel an order; return whether it could be."""
        answer = self.client.post(f"/orders/{order_id}:cancel")
        return answer.status_code != 409 and bool(answer.raise_for_status())

    def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Call, and again where the shop is busy."""
        for _ in range(3):
            answer = self.client.request(method, path, **more)
            if answer.status_code != 429:
                break
            time.sleep(float(answer.headers.get("retry-after", 0)))
        return answer.raise_for_status()
