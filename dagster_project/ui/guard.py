"""Refuses requests to the UI that did not come from the UI.

The webserver listens on loopback, but every web page that is open in a browser of this machine can
reach it. Three ways are closed, each with status 403:

- DNS rebinding: a foreign name that resolves to 127.0.0.1. The header Host must name loopback.
- Requests of other pages: the header Origin of a POST or a WebSocket must be the UI's own, and a
  subresource (`<img>`, `<script>`) must not come from another site, as browsers report in
  Sec-Fetch-Site.
- Mutations by GET, which need no header at all. GET executes queries only.

Any port is accepted in Host, as an SSH tunnel may change it; Origin must have the same one.
Programs that are no browser send no Origin, and are accepted: they run as a user of this machine.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

Headers: TypeAlias = MutableMapping[str, list[str]]


class Guard:
    """ASGI middleware: passes on what `refusal` has nothing against."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403 (to a WebSocket before its handshake)."""
        reason = refusal(scope) if scope["type"] in ("http", "websocket") else None
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(f"{reason}\n", status_code=403)(scope, receive, send)


def refusal(scope: Scope) -> str | None:
    """Why a request is refused; None if it may pass.

    Args:
        scope: of an HTTP request or a WebSocket handshake, as ASGI defines it.
    """
    headers = _headers(scope)
    hosts = headers.get("host", [])
    if len(hosts) != 1 or not _is_loopback(hosts[0]):
        return f"Host is {', '.join(hosts) or 'missing'}; this UI answers to localhost only"
    reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS")
    origins = headers.get("origin", [])
    if not reads and any(origin != f"http://{hosts[0]}" for origin in origins):
        return f"Origin is {', '.join(origins)}; only pages of this UI may do this"
    if _is_foreign_subresource(headers):
        return "requested by a page of another site"
    if reads and scope["path"].rstrip("/").endswith("/graphql") and not _only_queries(scope):
        return "GET executes queries only; send mutations by POST"
    return None


def _headers(scope: Scope) -> Headers:
    found: Headers = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _is_loopback(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):  # without a port; the colon is one of the address
        return host.lower() in LOOPBACK
    return name.lower() in LOOPBACK and port.isascii() and port.isdigit()


def _is_foreign_subresource(headers: Headers) -> bool:
    site, mode = headers.get("sec-fetch-site", []), headers.get("sec-fetch-mode", [])
    return mode != ["navigate"] and any(each in ("cross-site", "same-site") for each in site)


def _only_queries(scope: Scope) -> bool:
    """Whether the query string holds no operation but queries; text that is no GraphQL does."""
    for text in parse_qs(scope["query_string"].decode("latin-1")).get("query", []):
        try:
            definitions: Any = parse(text).definitions
        except (GraphQLError, RecursionError):
            return False
        for each in definitions:
            if (
                isinstance(each, OperationDefinitionNode)
                and each.operation is not OperationType.QUERY
            ):
                return False
    return True
