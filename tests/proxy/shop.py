"""A service on FastAPI, in a process of its own: `python -m tests.proxy.shop PORT`; one answer is wrong."""

import sys
import time
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

app = FastAPI()
PETS: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "Rex"}}


@app.get("/pets")
def list_pets(limit: int = 10) -> list[dict[str, Any]]:
    return list(PETS.values())[:limit]


@app.post("/pets", status_code=201)
def create_pet(pet: dict[str, Any], response: Response) -> dict[str, Any]:
    PETS[pet["id"]] = pet
    response.set_cookie("session", "cookie-of-the-shop", httponly=True)
    return {**pet, "api_key": "key-of-the-shop"}


@app.get("/pets/{number}")
def get_pet(number: int) -> dict[str, Any]:
    if number == 13:
        return {"id": "thirteen", "name": "Wrong"}
    return PETS[number]


@app.delete("/pets/{number}", status_code=204)
def delete_pet(number: int) -> None:
    PETS.pop(number, None)


@app.get("/events")
def events() -> StreamingResponse:
    def told() -> Iterator[str]:
        for number in range(3):
            time.sleep(0.05)
            yield f'data: {{"n": {number}}}\n\n'

    return StreamingResponse(told(), media_type="text/event-stream")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
