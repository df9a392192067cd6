"""Pipelines that are started by a web hook, as CI servers offer them: ``POST /{action}`` with the model in a JSON body.

``Idempotency-Key`` makes a repeated request harmless (draft-ietf-httpapi-idempotency-key-header): it is answered with
the run that the first one started.
"""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from triage.lab.apis.json_bodies import read_json
from triage.lab.clock import Clock
from triage.lab.world.pipelines import PipelineError, PipelineRun, Pipelines

_LONGEST_KEY = 255


def app(pipelines: Pipelines, clock: Clock) -> Starlette:
    """The API over ``pipelines``."""
    async def start(request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        if len(key) > _LONGEST_KEY:
            return _refused(400, f"an idempotency key has at most {_LONGEST_KEY} characters")
        try:
            body = read_json(await request.body())
        except ValueError as error:
            return _refused(400, f"the body is no JSON: {error}")
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            return _refused(400, 'the body is an object with a "model", and with the parameters of the pipeline')
        parameters = {name: value for name, value in body.items() if name != "model"}
        try:
            run = pipelines.start(request.path_params["action"], body["model"], parameters, key)
        except PipelineError as error:
            return _refused(422, str(error))
        return JSONResponse(_shown(run, clock), 202)

    async def every(request: Request) -> Response:
        return JSONResponse([_shown(run, clock) for run in pipelines.runs])

    async def one(request: Request) -> Response:
        found = [run for run in pipelines.runs if run.number == request.path_params["number"]]
        return JSONResponse(_shown(found[0], clock)) if found else _refused(404, "there is no such run")

    return Starlette(routes=[Route("/runs", every), Route("/runs/{number:int}", one),
                             Route("/{action}", start, methods=["POST"])])


def _shown(run: PipelineRun, clock: Clock) -> dict[str, Any]:
    return {"run": run.number, "action": run.action, "model": run.model, "parameters": dict(run.parameters),
            "started_at": run.started_at, "status": "running" if clock.now() < run.ends_at else "succeeded"}


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
