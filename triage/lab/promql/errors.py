"""What a query can fail with, in the shape of Prometheus' API."""

from __future__ import annotations


class QueryError(Exception):
    """A query was refused or failed.

    ``kind`` is Prometheus' ``errorType``: ``bad_data`` (the query itself is wrong, HTTP 400), ``execution`` (it failed
    while it ran, HTTP 422); ``message`` is its ``error``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def bad_query(message: str) -> QueryError:
    """The expression cannot be read or its types do not fit."""
    return QueryError("bad_data", f'invalid parameter "query": {message}')


def failed(message: str) -> QueryError:
    """The evaluation found something that it cannot answer."""
    return QueryError("execution", message)
