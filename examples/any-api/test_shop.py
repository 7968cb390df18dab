"""The tests of the client: the mock is made from orders.yaml alone."""

from collections.abc import Mapping
from typing import Any

import pytest
from shop import Shop


@pytest.fixture
def mockserver_settings() -> Mapping[str, Any]:
    return {"contract": "orders.yaml"}


@pytest.fixture
def shop(mockserver: Any) -> Shop:
    return Shop(mockserver.http_client())


def test_an_order_has_a_number(shop: Shop, mockserver: Any) -> None:
    number = shop.order("ann@example.com", mug_1=1)
    assert mockserver.resources["orders"][number]["email"] == "ann@example.com"  # the mock has kept it
    mockserver.journal.verify("create_order", body={"email": "ann@example.com"})


def test_an_order_is_tried_again_while_the_shop_is_busy(shop: Shop, mockserver: Any) -> None:
    mockserver.stub.create("create_order", status=429, headers={"retry-after": "0"})
    assert shop.order("ann@example.com", mug_1=2) in mockserver.resources["orders"]
    mockserver.journal.verify("POST /orders", times=2)


def test_an_order_that_is_not_there_has_no_status(shop: Shop, mockserver: Any) -> None:
    mockserver.stub.create("get_order", order_id=404, status=404)
    assert shop.status(404) is None
    assert shop.status(8) in ("open", "paid", "cancelled")  # made from the schema


def test_what_was_sent_cannot_be_cancelled(shop: Shop, mockserver: Any) -> None:
    mockserver.stub.create("cancel_order", order_id=8, status=409)
    assert shop.cancel(7)
    assert not shop.cancel(8)
