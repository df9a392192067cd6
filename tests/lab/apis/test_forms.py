"""Parameters of requests as Go's servers read them."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.types import Message

from triage.lab.apis.forms import FORM, Parameters, media_type, parameters


def request(method: str = "GET", query: bytes = b"", body: bytes = b"", kind: str = "") -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}
    return Request({"type": "http", "method": method, "path": "/", "query_string": query, "server": ("lab", 80),
                    "scheme": "http", "headers": [(b"content-type", kind.encode())] if kind else []}, receive)


async def read(**parts: object) -> Parameters:
    return await parameters(request(**parts))  # type: ignore[arg-type]


@pytest.mark.parametrize(("query", "values"), [
    (b"a=1&a=2&b=3", {"a": ("1", "2"), "b": ("3",)}), (b"a=", {"a": ("",)}), (b"a", {"a": ("",)}), (b"", {}),
    (b"a=x+y%20z", {"a": ("x y z",)}), (b"match[]=up&match%5B%5D=down", {"match[]": ("up", "down")}),
    (b"a=1;b=2&c=3", {"c": ("3",)}), (b"q=%C3%A9", {"q": ("\u00e9",)}),
])
async def test_parameters_of_the_url_are_read(query: bytes, values: dict[str, tuple[str, ...]]) -> None:
    assert (await read(query=query)).values == values


async def test_the_body_comes_before_the_url() -> None:
    found = await read(method="POST", query=b"a=url&b=url", body=b"a=body", kind=f"{FORM}; charset=utf-8")
    assert (found.every("a"), found.first("a"), found.first("b")) == (("body", "url"), "body", "url")


@pytest.mark.parametrize(("method", "kind"), [("GET", FORM), ("POST", "application/json"), ("POST", "")])
async def test_what_is_no_form_holds_no_parameters(method: str, kind: str) -> None:
    assert (await read(method=method, body=b"a=1", kind=kind)).values == {}


async def test_what_is_absent_is_empty() -> None:
    found = await read()
    assert (found.first("a"), found.every("a")) == ("", ())


def test_the_type_of_a_body_is_read_without_its_parameters() -> None:
    assert media_type(request(kind="Application/JSON; charset=utf-8")) == "application/json"
