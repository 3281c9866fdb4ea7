"""Refuses requests to the Dagster UI that did not come from the UI.

`p4d/loopback.py` has the guard that every local page of this project stands behind. Dagster needs
one rule more: its GraphQL executes mutations by GET, which need no header at all. Here GET executes
queries only.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.types import ASGIApp, Scope

from p4d.loopback import LoopbackGuard, only_reads, request_refusal


class Guard(LoopbackGuard):
    """ASGI middleware: passes on what `refusal` has nothing against."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, refusal)


def refusal(scope: Scope) -> str | None:
    """Why a request is refused; None if it may pass.

    Args:
        scope: of an HTTP request or a WebSocket handshake, as ASGI defines it.
    """
    if (reason := request_refusal(scope)) is not None:
        return reason
    by_get = only_reads(scope) and scope["path"].rstrip("/").endswith("/graphql")
    if by_get and not _only_queries(scope):
        return "GET executes queries only; send mutations by POST"
    return None


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
