"""MLflow's REST API over the registry, as a server of MLflow 3.17 on SQLite was seen to answer.

Its oddities are kept, since clients meet them: a missing alias is 400 and not 404, a version must be text, deletions
take their parameters from a JSON body, empty lists are left out, searches do not tell the aliases of versions, routes
that do not exist answer with a web page.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from triage.lab.apis.forms import media_type
from triage.lab.apis.json_bodies import read_json
from triage.lab.apis.mlflow_search import Searchable, invalid, page
from triage.lab.registry import DataInput, Metric, Model, Registry, RegistryError, Run, Version
from triage.lab.registry.demands import version_number

MLFLOW_VERSION = "3.17.2"
_MAX_MODELS = 1_000
_DEFAULT_MODELS = 100
_MAX_VERSIONS = 200_000
_DEFAULT_VERSIONS = 10_000
_STATUS = {"RESOURCE_DOES_NOT_EXIST": 404, "INTERNAL_ERROR": 500}
_CLASS = {"RESOURCE_DOES_NOT_EXIST": "RESOURCE_NOT_FOUND", "INTERNAL_ERROR": "CLIENT_INTERNAL_ERROR"}
_PAGES = {404: ("404 Not Found", "Not Found", "The requested URL was not found on the server. If you entered the URL "
                                              "manually please check your spelling and try again."),
          405: ("405 Method Not Allowed", "Method Not Allowed", "The method is not allowed for the requested URL.")}

_MODELS = Searchable[Model](
    texts={"name": lambda model: model.name}, tags=lambda model: model.tags, listed=("name",),
    orders={"name": lambda model: model.name, "timestamp": lambda model: model.updated_ms,
            "last_updated_timestamp": lambda model: model.updated_ms},
    ties=("name",))
_VERSIONS = Searchable[Version](
    texts={"name": lambda version: version.model, "run_id": lambda version: version.run_id,
           "source_path": lambda version: version.source},
    numbers={"version_number": lambda version: version.number},
    tags=lambda version: version.tags, listed=("name", "run_id"),
    orders={"name": lambda version: version.model, "version_number": lambda version: version.number,
            "creation_timestamp": lambda version: version.created_ms,
            "last_updated_timestamp": lambda version: version.updated_ms},
    unasked=("last_updated_timestamp DESC",), ties=("name", "version_number DESC"))


@dataclass(frozen=True, slots=True)
class _Parameters:
    """What a request asks with."""

    values: Mapping[str, Any]
    """A tuple of texts for each parameter in a URL, a value of any type for each in JSON."""

    def required(self, name: str) -> str:
        text = self.text(name)
        if not text:
            raise invalid(f"Missing value for required parameter '{name}'. "
                          "See the API docs for more information about request parameters.")
        return text

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        if isinstance(value, tuple):
            # Of a parameter that is repeated in the URL the first one counts.
            value = value[0]
        if value is not None and not isinstance(value, str):
            raise _wrong_type(name, value)
        return value

    def every(self, name: str) -> list[str]:
        value = self.values.get(name) or ()
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise _wrong_type(name, value)
        return list(value)

    def tags(self) -> dict[str, str]:
        value = self.values.get("tags") or []
        if not isinstance(value, list):
            raise _wrong_type("tags", value)
        tags = [_Parameters(tag if isinstance(tag, dict) else {}) for tag in value]
        return {tag.required("key"): tag.text("value") or "" for tag in tags}

    def version(self) -> int:
        return version_number(self.required("version"))

    def max_results(self, default: int, most: int) -> int:
        text = self.text("max_results")
        if text is None:
            return default
        if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII) or int(text) > most:
            raise _wrong_type("max_results", text)
        return int(text)


_Answer = Mapping[str, Any]
_Handler = Callable[[Registry, _Parameters], _Answer]


def app(registry: Registry) -> Starlette:
    """MLflow's tracking server, as far as the registry and the runs behind it go."""
    routes = [Route(f"/{path}", _endpoint(registry, handler), methods=[method])
              for method, path, handler in _ROUTES]
    return Starlette(
        routes=[Route("/health", _health), Route("/version", _version),
                Route("/model-versions/get-artifact", _endpoint(registry, _artifact), methods=["GET"]),
                Mount("/api/2.0/mlflow", routes=routes), Mount("/ajax-api/2.0/mlflow", routes=routes)],
        exception_handlers={404: _page, 405: _page})


def _endpoint(registry: Registry, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(dict(handler(registry, await _parameters(request))))
        except RegistryError as error:
            # The last two fields are new in MLflow 3.
            return JSONResponse({"error_code": error.code, "message": error.message,
                                 "sqlstate": "XXM00" if error.code == "INTERNAL_ERROR" else "KAM00",
                                 "error_class": _CLASS.get(error.code, error.code)}, _STATUS.get(error.code, 400))
    return answer


async def _parameters(request: Request) -> _Parameters:
    if request.method in ("GET", "HEAD"):
        query = request.query_params
        return _Parameters({name: tuple(query.getlist(name)) for name in query})
    if request.method == "POST" and media_type(request) != "application/json":
        raise invalid("Bad Request. Content-Type must be one of ['application/json']."
                      if media_type(request) else "Bad Request. Content-Type header is missing.")
    try:
        values = read_json(await request.body())
    except ValueError:
        # MLflow then goes on without any, and misses the first that it needs.
        values = {}
    return _Parameters(values if isinstance(values, dict) else {})


def _artifact(registry: Registry, asked: _Parameters) -> _Answer:
    """A file of a version: the lab keeps none, and says so as MLflow does of one that is not there."""
    registry.version(asked.required("name"), asked.version())
    raise RegistryError("RESOURCE_DOES_NOT_EXIST", f"No such artifact: '{asked.required('path')}'")


async def _health(_: Request) -> Response:
    return PlainTextResponse("OK")


async def _version(_: Request) -> Response:
    return HTMLResponse(MLFLOW_VERSION)


def _page(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    title, heading, sentence = _PAGES[status]
    return HTMLResponse(f"<!doctype html>\n<html lang=en>\n<title>{title}</title>\n<h1>{heading}</h1>\n"
                        f"<p>{sentence}</p>\n", status)


def _wrong_type(name: str, value: object) -> RegistryError:
    return invalid(f"Invalid value {json.dumps(value)} for parameter '{name}' supplied:  Hint: Value was of type "
                   f"'{type(value).__name__}'. See the API docs for more information about request parameters.")


def _create_model(registry: Registry, asked: _Parameters) -> _Answer:
    return {"registered_model": _model(registry.add_model(asked.required("name"), asked.tags(),
                                                          asked.text("description")))}


def _get_model(registry: Registry, asked: _Parameters) -> _Answer:
    return {"registered_model": _model(registry.model(asked.required("name")))}


def _search_models(registry: Registry, asked: _Parameters) -> _Answer:
    most = asked.max_results(_DEFAULT_MODELS, _MAX_MODELS)
    found = _MODELS.search(registry.models(), asked.text("filter") or "", asked.every("order_by"))
    models, token = page(found, asked.text("page_token") or "", most)
    return _without_empty({"registered_models": [_model(model) for model in models], "next_page_token": token or None})


def _update_model(registry: Registry, asked: _Parameters) -> _Answer:
    return {"registered_model": _model(registry.update_model(asked.required("name"), asked.text("description")))}


def _rename_model(registry: Registry, asked: _Parameters) -> _Answer:
    return {"registered_model": _model(registry.rename_model(asked.required("name"), asked.required("new_name")))}


def _delete_model(registry: Registry, asked: _Parameters) -> _Answer:
    registry.delete_model(asked.required("name"))
    return {}


def _latest_versions(registry: Registry, asked: _Parameters) -> _Answer:
    model = registry.model(asked.required("name"))
    stages = {stage.lower() for stage in asked.every("stages")}
    return _without_empty({"model_versions": [_of_model(model, version) for version in model.latest()
                                              if not stages or version.stage.lower() in stages]})


def _get_alias(registry: Registry, asked: _Parameters) -> _Answer:
    name, alias = asked.required("name"), asked.required("alias")
    return {"model_version": _of_model(registry.model(name), registry.aliased(name, alias))}


def _set_alias(registry: Registry, asked: _Parameters) -> _Answer:
    registry.set_alias(asked.required("name"), asked.required("alias"), asked.required("version"))
    return {}


def _delete_alias(registry: Registry, asked: _Parameters) -> _Answer:
    registry.delete_alias(asked.required("name"), asked.required("alias"))
    return {}


def _set_model_tag(registry: Registry, asked: _Parameters) -> _Answer:
    registry.set_tag(asked.required("name"), asked.required("key"), asked.text("value") or "")
    return {}


def _delete_model_tag(registry: Registry, asked: _Parameters) -> _Answer:
    registry.delete_tag(asked.required("name"), asked.required("key"))
    return {}


def _create_version(registry: Registry, asked: _Parameters) -> _Answer:
    name, source, run_id = asked.required("name"), asked.required("source"), asked.text("run_id") or ""
    _check_source(source, run_id)
    added = registry.add_version(name, None, source, run_id, asked.tags(), description=asked.text("description") or "",
                                 run_link=asked.text("run_link") or "")
    return {"model_version": _version_fields(added)}


def _get_version(registry: Registry, asked: _Parameters) -> _Answer:
    version = registry.version(asked.required("name"), asked.version())
    return {"model_version": _of_model(registry.model(version.model), version)}


def _search_versions(registry: Registry, asked: _Parameters) -> _Answer:
    most = asked.max_results(_DEFAULT_VERSIONS, _MAX_VERSIONS)
    if most < 1:
        raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {most}")
    found = _VERSIONS.search(list(registry.versions()), asked.text("filter") or "", asked.every("order_by"))
    versions, token = page(found, asked.text("page_token") or "", most)
    return _without_empty({"model_versions": [_version_fields(version) for version in versions],
                           "next_page_token": token or None})


def _update_version(registry: Registry, asked: _Parameters) -> _Answer:
    name, number = asked.required("name"), asked.version()
    version = registry.update_version(name, number, asked.text("description"))
    return {"model_version": _of_model(registry.model(name), version)}


def _delete_version(registry: Registry, asked: _Parameters) -> _Answer:
    registry.delete_version(asked.required("name"), asked.version())
    return {}


def _set_stage(registry: Registry, asked: _Parameters) -> _Answer:
    name, number, stage = asked.required("name"), asked.version(), asked.required("stage")
    version = registry.set_stage(name, number, stage,
                                 archive_others=asked.values.get("archive_existing_versions") is True)
    return {"model_version": _of_model(registry.model(name), version)}


def _download_uri(registry: Registry, asked: _Parameters) -> _Answer:
    return {"artifact_uri": registry.version(asked.required("name"), asked.version()).location}


def _set_version_tag(registry: Registry, asked: _Parameters) -> _Answer:
    name, version, key = asked.required("name"), asked.required("version"), asked.required("key")
    registry.set_tag(name, key, asked.text("value") or "", version)
    return {}


def _delete_version_tag(registry: Registry, asked: _Parameters) -> _Answer:
    name, version, key = asked.required("name"), asked.required("version"), asked.required("key")
    registry.delete_tag(name, key, version)
    return {}


def _check_source(source: str, run_id: str) -> None:
    """Refuse what could read files of the server, as MLflow does."""
    try:
        where = urlsplit(source)
    except ValueError as error:
        raise invalid(f"Invalid model version source: '{source}'. {error}") from None
    problem = ""
    if where.scheme in ("", "file"):
        problem = ("To use a local path as a model version source, the run_id request parameter has to be specified "
                   "and the local path has to be contained within the artifact directory of the run specified by the "
                   "run_id.")
    elif where.scheme in ("runs", "mlflow-artifacts") and not run_id:
        problem = "The run_id request parameter must identify the resource that contains the source."
    elif where.scheme not in ("runs", "models") and (not where.path.startswith("/") or ".." in where.path.split("/")):
        problem = ("If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts "
                   "uri, an absolute path must be provided without relative path references present. Please provide "
                   "an absolute path.")
    if problem:
        raise invalid(f"Invalid model version source: '{source}'. {problem}")


def _get_run(registry: Registry, asked: _Parameters) -> _Answer:
    run = registry.run(asked.text("run_id") or asked.text("run_uuid") or asked.required("run_id"))
    return {"run": {"info": _run_info(run), "outputs": {},
                    "inputs": _without_empty({"dataset_inputs": [_data_input(given) for given in run.inputs]}),
                    "data": _without_empty({"metrics": [_metric(metric) for metric in run.latest_metrics()],
                                            "params": _pairs(run.params), "tags": _pairs(run.tags)})}}


def _metric_history(registry: Registry, asked: _Parameters) -> _Answer:
    run_id, key = asked.required("run_id"), asked.required("metric_key")
    logged = registry.run(run_id).metrics if registry.has_run(run_id) else ()
    history = sorted(logged, key=lambda metric: (metric.time_ms, metric.step))
    return _without_empty({"metrics": [_metric(metric) for metric in history if metric.key == key]})


def _model(model: Model) -> dict[str, Any]:
    return _without_empty({
        "name": model.name, "creation_timestamp": model.created_ms, "last_updated_timestamp": model.updated_ms,
        "description": model.description or None,
        "latest_versions": [_version_fields(version) for version in model.latest()],
        "tags": _pairs(model.tags),
        "aliases": [{"alias": alias, "version": str(number)} for alias, number in sorted(model.aliases.items())]})


def _of_model(model: Model, version: Version) -> dict[str, Any]:
    return _without_empty({**_version_fields(version), "aliases": model.aliases_of(version.number)})


def _version_fields(version: Version) -> dict[str, Any]:
    return _without_empty({
        "name": version.model, "version": str(version.number), "creation_timestamp": version.created_ms,
        "last_updated_timestamp": version.updated_ms, "current_stage": version.stage,
        "description": version.description, "source": version.source, "run_id": version.run_id,
        "status": version.status, "tags": _pairs(version.tags), "run_link": version.run_link})


def _run_info(run: Run) -> dict[str, Any]:
    return _without_empty({
        "run_uuid": run.run_id, "run_id": run.run_id, "experiment_id": "0", "run_name": run.name, "user_id": "",
        "status": run.status, "start_time": run.started_ms, "end_time": run.ended_ms,
        "artifact_uri": f"mlflow-artifacts:/0/{run.run_id}/artifacts", "lifecycle_stage": "active"})


def _data_input(given: DataInput) -> dict[str, Any]:
    tags = {"mlflow.data.context": given.context} if given.context else {}
    return _without_empty({"tags": _pairs(tags), "dataset": {
        "name": given.name, "digest": given.digest, "source_type": given.source_type, "source": given.source}})


def _metric(metric: Metric) -> dict[str, Any]:
    value: float | str = metric.value
    if not math.isfinite(metric.value):
        value = "NaN" if math.isnan(metric.value) else "Infinity" if metric.value > 0 else "-Infinity"
    return {"key": metric.key, "value": value, "timestamp": metric.time_ms, "step": metric.step}


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without lists that are empty and what was never given, which MLflow leaves out."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


_ROUTES: tuple[tuple[str, str, _Handler], ...] = (
    ("POST", "registered-models/create", _create_model),
    ("GET", "registered-models/get", _get_model),
    ("GET", "registered-models/search", _search_models),
    ("PATCH", "registered-models/update", _update_model),
    ("POST", "registered-models/rename", _rename_model),
    ("DELETE", "registered-models/delete", _delete_model),
    ("GET", "registered-models/get-latest-versions", _latest_versions),
    ("POST", "registered-models/get-latest-versions", _latest_versions),
    ("GET", "registered-models/alias", _get_alias),
    ("POST", "registered-models/alias", _set_alias),
    ("DELETE", "registered-models/alias", _delete_alias),
    ("POST", "registered-models/set-tag", _set_model_tag),
    ("DELETE", "registered-models/delete-tag", _delete_model_tag),
    ("POST", "model-versions/create", _create_version),
    ("GET", "model-versions/get", _get_version),
    ("GET", "model-versions/search", _search_versions),
    ("PATCH", "model-versions/update", _update_version),
    ("DELETE", "model-versions/delete", _delete_version),
    ("POST", "model-versions/transition-stage", _set_stage),
    ("GET", "model-versions/get-download-uri", _download_uri),
    ("POST", "model-versions/set-tag", _set_version_tag),
    ("DELETE", "model-versions/delete-tag", _delete_version_tag),
    ("GET", "runs/get", _get_run),
    ("GET", "metrics/get-history", _metric_history),
)
