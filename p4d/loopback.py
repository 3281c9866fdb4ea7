"""Refuses requests to a local web page that did not come from that page.

A server on loopback is reached by every web page that is open in a browser of this machine. Two
ways are closed, each with status 403:

- DNS rebinding: a foreign name that resolves to 127.0.0.1. The header Host must name loopback.
- Requests of other pages: the header Origin of a POST or a WebSocket must be the page's own, and a
  subresource (`<img>`, `<script>`) must not come from another site, as browsers report in
  Sec-Fetch-Site.

Any port is accepted in Host, as an SSH tunnel may change it; Origin must have the same one.
Programs that are no browser send no Origin, and are accepted: they run as a user of this machine.
The Dagster UI (`dagster_project/ui/guard.py`) and `p4d explore` stand behind it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, TypeAlias

from p4d.errors import PortError

if TYPE_CHECKING:  # a link to a page needs no server
    from starlette.types import ASGIApp, Receive, Scope, Send

HOST = "127.0.0.1"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

Headers: TypeAlias = MutableMapping[str, list[str]]


class LoopbackGuard:
    """ASGI middleware: passes on what its `refusal` has nothing against."""

    def __init__(self, app: ASGIApp, refusal: Callable[[Scope], str | None] | None = None) -> None:
        """Guard `app`; `refusal` replaces the one of this module."""
        self._app = app
        self._refusal = refusal or request_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403 (to a WebSocket before its handshake)."""
        from starlette.responses import PlainTextResponse

        reason = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(f"{reason}\n", status_code=403)(scope, receive, send)


def request_refusal(scope: Scope) -> str | None:
    """Why a request is refused; None if it may pass.

    Args:
        scope: of an HTTP request or a WebSocket handshake, as ASGI defines it.
    """
    headers = _headers(scope)
    hosts = headers.get("host", [])
    if len(hosts) != 1 or not _is_loopback(hosts[0]):
        return f"Host is {', '.join(hosts) or 'missing'}; this UI answers to localhost only"
    origins = headers.get("origin", [])
    if not only_reads(scope) and any(origin != f"http://{hosts[0]}" for origin in origins):
        return f"Origin is {', '.join(origins)}; only pages of this UI may do this"
    if _is_foreign_subresource(headers):
        return "requested by a page of another site"
    return None


def only_reads(scope: Scope) -> bool:
    """Whether a request has a method that changes nothing."""
    return scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS")


def check_port(port: int, way_out: str) -> None:
    """Whether the port is free on loopback; another server may still take it before ours does.

    Raises:
        PortError: it is in use, or this user may not take it; the message ends with `way_out`.
    """
    with socket.socket() as probe:
        # As servers do it: a port whose last connections have just ended is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PortError(f"port {port} of {HOST}: {reason}; {way_out}") from error


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
