"""A process that answers for as many models as it is asked about: ``python -m tests.bench.fleet_server MODELS``.

A thousand models on a real Prometheus need a month of history of each; what is measured is our side of it.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import urllib.parse

_PART = re.compile(r'label_replace\((.*?), "triage_question", "(\d+)", "", ""\)(?: or |$)', re.DOTALL)
_VALUES = re.compile(r'model(=~|=|!=)"([^"]*)"')
_BOUNDS = ("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")


def answer(query: str, names: list[str], now: float) -> str:
    """An instant vector: good traffic for every model that each part names."""
    out = []
    for expression, address in _PART.findall(query):
        found = _VALUES.search(expression)
        if found is None or "__name__" in expression or "native" in expression:
            continue
        wanted = names if found[1] == "!=" else found[2].split("|")
        for name in wanted:
            out += samples(expression, f'"triage_question":"{address}","model":"{name}"', now)
    return ",".join(out)


def samples(expression: str, own: str, now: float) -> list[str]:
    """What one part says of one model."""
    versioned = f'{own},"model_version":"v1"'
    if "timestamp(" in expression:
        value = now - 100_000 if "first" in expression or "min_over_time" in expression else now - 3
        return [f'{{"metric":{{{versioned}}},"value":[{now},"{value}"]}}']
    if "_bucket" in expression:
        # Long windows ask for the bucket of the threshold alone.
        bounds = ("0.5", "+Inf") if "le=~" in expression else _BOUNDS
        feature = ',"feature":"amount"' if "feature" in expression else ""
        return [f'{{"metric":{{{versioned}{feature},"le":"{le}"}},"value":[{now},"{9990 + n}"]}}'
                for n, le in enumerate(bounds)]
    bad = "5.." in expression and "!~" not in expression
    return [f'{{"metric":{{{versioned}}},"value":[{now},"{1 if bad else 9_995}"]}}']


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, names: list[str]) -> None:
    """Requests of one connection."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        length = re.search(rb"content-length: (\d+)", head.lower())
        body = await reader.readexactly(int(length[1])) if length else b""
        path, now = head.split(b" ", 2)[1].decode(), time.time()
        if path.endswith("/alerts"):
            data = '{"alerts":[]}'
        elif "/label/" in path:
            data = json.dumps(names)
        elif path.endswith("/runtimeinfo"):
            data = '{"storageRetention":"400d"}'
        elif path.endswith("/query"):
            query = urllib.parse.parse_qs(body.decode())["query"][0]
            data = f'{{"resultType":"vector","result":[{answer(query, names, now)}]}}'
        else:
            data = '{"resultType":"matrix","result":[]}'
        text = f'{{"status":"success","data":{data}}}'.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                     + str(len(text)).encode() + b"\r\n\r\n" + text)
        await writer.drain()


async def main(names: list[str]) -> None:
    """Serve for ever, the port on the first line of stdout."""
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer, names)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main([f"model-{number:04d}" for number in range(int(sys.argv[1]))]))
