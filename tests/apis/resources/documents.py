"""A small document whose resources are played, for the tests of this folder."""

from pathlib import Path
from typing import Any

import yaml

SHOP = """
openapi: 3.1.0
info: {title: A shop, version: "1"}
paths:
  /orders:
    get:
      operationId: list_orders
      parameters:
        - {name: limit, in: query, schema: {type: integer, default: 2}}
        - {name: cursor, in: query, schema: {type: string}}
        - {name: customer, in: query, schema: {type: string}}
        - {name: sort, in: query, schema: {type: string}}
      responses:
        "200":
          description: A page.
          content: {application/json: {schema: {$ref: "#/components/schemas/Orders"}}}
    post:
      operationId: create_order
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/NewOrder"}}}
      responses:
        "201":
          description: Made.
          headers: {Location: {schema: {type: string}}}
          content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}
  /orders/{order_id}:
    parameters: [{name: order_id, in: path, required: true, schema: {type: integer}}]
    get:
      operationId: get_order
      parameters: [{name: If-None-Match, in: header, schema: {type: string}}]
      responses:
        "200":
          description: One.
          headers: {ETag: {schema: {type: string}}}
          content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}
        "304": {description: The same.}
        "404": {description: None.}
    put:
      operationId: put_order
      parameters: [{name: If-Match, in: header, schema: {type: string}}]
      requestBody: {required: true, content: {application/json: {schema: {$ref: "#/components/schemas/NewOrder"}}}}
      responses:
        "200": {description: One., content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
        "412": {description: Another version.}
    patch:
      operationId: patch_order
      requestBody:
        content:
          application/merge-patch+json: {schema: {type: object}}
          application/json-patch+json: {schema: {type: array}}
      responses:
        "200": {description: One., content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
    delete:
      operationId: delete_order
      responses:
        "204": {description: Gone.}
        "404": {description: None.}
  /orders/{order_id}/ship:
    parameters: [{name: order_id, in: path, required: true, schema: {type: integer}}]
    post:
      operationId: ship_order
      responses:
        "200": {description: One., content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
        "409": {description: Already.}
  /orders/{order_id}/notes:
    parameters: [{name: order_id, in: path, required: true, schema: {type: integer}}]
    get:
      operationId: list_notes
      responses:
        "200":
          description: All.
          content:
            application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Note"}}}
    post:
      operationId: create_note
      requestBody:
        content: {application/json: {schema: {type: object, properties: {text: {type: string}}}}}
      responses:
        "201": {description: Made., content: {application/json: {schema: {$ref: "#/components/schemas/Note"}}}}
  /orders/{order_id}/notes/{note_id}:
    parameters:
      - {name: order_id, in: path, required: true, schema: {type: integer}}
      - {name: note_id, in: path, required: true, schema: {type: string}}
    get:
      operationId: get_note
      responses:
        "200": {description: One., content: {application/json: {schema: {$ref: "#/components/schemas/Note"}}}}
  /orders/{order_id}/invoice:
    parameters: [{name: order_id, in: path, required: true, schema: {type: integer}}]
    get:
      operationId: get_invoice
      responses:
        "200": {description: One., content: {application/json: {schema: {type: object}}}}
  /customers/{login}:
    parameters: [{name: login, in: path, required: true, schema: {type: string}}]
    get:
      operationId: get_customer
      responses:
        "200": {description: One., content: {application/json: {schema: {$ref: "#/components/schemas/Customer"}}}}
  /customers:
    get:
      operationId: list_customers
      responses:
        "200":
          description: All.
          content:
            application/json:
              schema: {type: array, items: {$ref: "#/components/schemas/Customer"}}
              example: [{login: ada, name: Ada}, {login: bob, name: Bob}]
    post:
      operationId: create_customer
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Customer"}}}}
      responses:
        "201": {description: Made., content: {application/json: {schema: {$ref: "#/components/schemas/Customer"}}}}
        "409": {description: Taken.}
  /settings:
    get:
      operationId: get_settings
      responses:
        "200": {description: One., content: {application/json: {schema: {$ref: "#/components/schemas/Settings"}}}}
    patch:
      operationId: patch_settings
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Settings"}}}}
      responses:
        "200": {description: One., content: {application/json: {schema: {$ref: "#/components/schemas/Settings"}}}}
components:
  schemas:
    NewOrder:
      type: object
      required: [customer]
      properties:
        customer: {type: string, minLength: 1}
        count: {type: integer, default: 1}
        note: {type: string}
    Order:
      allOf:
        - $ref: "#/components/schemas/NewOrder"
        - type: object
          required: [id, status, created_at]
          properties:
            id: {type: integer, readOnly: true}
            status: {type: string, enum: [open, shipped], default: open}
            created_at: {type: string, format: date-time}
            updated_at: {type: string, format: date-time}
            shipped_at: {type: [string, "null"], format: date-time}
    Orders:
      type: object
      required: [data, total]
      properties:
        data: {type: array, items: {$ref: "#/components/schemas/Order"}}
        total: {type: integer}
        next_cursor: {type: [string, "null"]}
        has_more: {type: boolean}
    Note:
      type: object
      required: [note_id, text]
      properties: {note_id: {type: string, format: uuid}, text: {type: string}}
    Customer:
      type: object
      required: [login, name]
      properties: {login: {type: string}, name: {type: string}}
    Settings:
      type: object
      required: [theme]
      properties: {theme: {type: string, default: light}, beta: {type: boolean}}
"""


def shop(folder: Path, **changes: Any) -> str:
    """Write the document, with further keys of some paths, and return its path."""
    document = yaml.safe_load(SHOP)
    for path, more in changes.items():
        document["paths"][path.replace("__", "/")] |= more
    file = folder / "shop.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)
