"""Ways to spoil the pages of a list, for the catalogue of mutants."""

from collections.abc import Callable

from mockserver.check.sabotage import Wrap, is_call, is_success, value_of, values, with_value
from mockserver.exchange import Handler, Json, Request, Response


def paged(change: Callable[[Json, Request], Json]) -> Wrap:
    """Change the pages of the list."""
    return values(change, "list")


def is_paging(request: Request) -> bool:
    """Say whether pages of two are asked for."""
    return "page_size=2" in request.query


def own_pages(pages: Callable[[list[Json]], list[list[Json]]]) -> Wrap:
    """Cut the list of a query into pages of one's own, where pages of two are asked for."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            if not is_call(request, "list") or not is_paging(request):
                return handler(request)
            parts = dict(part.partition("=")[::2] for part in request.query.split("&"))
            rest = "&".join(f"{k}={v}" for k, v in parts.items() if k not in ("page_size", "page_token"))
            response = handler(request._replace(query=rest + ("&" if rest else "") + "page_size=1000"))
            if not is_success(response):
                return response
            made = pages(value_of(response)["items"])
            at = int(parts.get("page_token", "0")) if parts.get("page_token", "0").isdigit() else 0
            value: Json = {"items": made[at] if at < len(made) else []}
            if at + 1 < len(made):
                value["next_page_token"] = str(at + 1)
            return with_value(response, value)

        return handle

    return wrap


def twos(items: list[Json]) -> list[list[Json]]:
    """Cut a list into pages of two."""
    return [items[at : at + 2] for at in range(0, max(len(items), 1), 2)]
