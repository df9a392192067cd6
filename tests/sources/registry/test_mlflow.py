"""The MLflow client against servers that misbehave, and what ``triage doctor`` says of registries."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sources.faults import FaultServer, Handler, Request, answering, json_answer
from tests.sources.test_faults_by_client import FAULTS
from triage.clock import ManualClock, SystemClock
from triage.config import Active, Context, activate
from triage.config_sources import FolderRegistry, MlflowRegistry
from triage.endpoints import ConfigError, Endpoint
from triage.errors import InvalidDocument
from triage.facts.outcome import SILENT, Failure, FailureKind, SourceState
from triage.facts.versions import Document, DocumentKind, RegisteredModel, RegisteredVersion, RunInput, TrainingRun
from triage.overrides import Overrides
from triage.report.config import show_json
from triage.sources.checkup import SourceCheck, check_up
from triage.sources.registry.face import open_registry
from triage.sources.registry.folder import FolderClient
from triage.sources.registry.mlflow import MlflowClient
from triage.strict_yaml import parse, validate

TOKEN = "t0ken-4711-canary"
MODELS = "/api/2.0/mlflow/registered-models/search"
RUN = "/api/2.0/mlflow/runs/get"
VERSIONS = "/api/2.0/mlflow/model-versions/search"
ALIAS = "POST /api/2.0/mlflow/registered-models/alias"
FILE = "/model-versions/get-artifact"
FRAUD = {"registered_models": [{"name": "fraud", "aliases": [{"alias": "champion", "version": "1"}]}]}
ONE = {"model_versions": [{"name": "fraud", "version": "1", "creation_timestamp": 1_795_000_000_000}]}
DENIED = answering(403, "Permission denied", "text/html; charset=utf-8")
REFUSED_ALIAS = json_answer({"error_code": "INVALID_PARAMETER_VALUE",
                             "message": "Version alias name 'v0' is reserved."}, 400)
NO_FILE = json_answer({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No such artifact: 'x'"}, 404)


def routes(changes: Mapping[str, Handler] | None = None) -> Handler:
    table: dict[str, Handler] = {MODELS: json_answer(FRAUD), VERSIONS: json_answer(ONE), ALIAS: DENIED, FILE: NO_FILE,
                                 "/version": answering(200, "3.17.2", "text/plain"), **(changes or {})}

    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        found = table.get(f"{request.method} {request.path}") or table.get(request.path) or answering(
            404, "<html><title>404 Not Found</title></html>", "text/html")
        return await found(request, writer)
    return handle


@asynccontextmanager
async def asking(url: str, clock: ManualClock | None = None, **more: Any) -> AsyncIterator[MlflowClient]:
    client = MlflowClient(Endpoint.model_validate({"url": url, "timeout": "1s", "max_body": "300k", **more}),
                          clock or SystemClock())
    try:
        yield client
    finally:
        await client.aclose()


async def fraud(handler: Handler, **more: Any) -> RegisteredModel | Failure:
    async with FaultServer(handler) as server, asking(server.url, **more) as client:
        return (await client.models(["fraud"]))["fraud"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_has_its_kind_and_tells_no_secret(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handler, expected = FAULTS[fault]
    monkeypatch.setenv("CANARY_TOKEN", TOKEN)
    found = await fraud(handler, bearer_token={"env": "CANARY_TOKEN"})
    assert isinstance(found, Failure)
    # A route that is not there says nothing about the model.
    assert found.kind == (FailureKind.NOT_PROMETHEUS if expected is FailureKind.NOT_FOUND else expected), found
    assert TOKEN not in repr(found)
    assert found.message.isprintable()


@pytest.mark.parametrize(("answer", "hint"), [
    (answering(401, "You are not authenticated.", "text/html"), "mlflow_environment"),
    (DENIED, "READ permission"),
    (answering(403, "Invalid Host header - possible DNS rebinding attack detected", "text/plain"), "--allowed-hosts"),
    (answering(403, "Cross-origin request blocked", "text/plain"), "Origin"),
    (answering(404, "<html><title>404 Not Found</title></html>", "text/html"), "--static-prefix"),
    (answering(200, "<html><title>Sign in</title></html>", "text/html"), "login"),
    (answering(302, "", headers={"Location": "https://ml.example/base" + MODELS}), "set url to https://ml.example/base")])
async def test_a_refusal_says_what_to_do(answer: Handler, hint: str) -> None:
    found = await fraud(answer)
    assert isinstance(found, Failure)
    assert hint in found.hint


@pytest.mark.parametrize("answer", [
    {"registered_models": {}}, {"registered_models": [1]}, {"registered_models": [{}]}, [],
    {"registered_models": [{"name": "fraud", "aliases": [{"alias": "champion"}]}]},
    {"registered_models": [{"name": "fraud", "tags": "x"}]}])
async def test_json_of_another_shape_is_broken(answer: Any) -> None:
    found = await fraud(routes({MODELS: json_answer(answer)}))
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.BROKEN


@pytest.mark.parametrize("answer", [
    {}, {"run": []}, {"run": {"info": {}}}, {"run": {"info": {"run_id": "5f3c"}, "inputs": []}},
    {"run": {"info": {"run_id": "5f3c"}, "inputs": {"dataset_inputs": [{"dataset": {"digest": "x"}}]}}}])
async def test_a_run_of_another_shape_is_broken(answer: Any) -> None:
    async with FaultServer(routes({RUN: json_answer(answer)})) as server, asking(server.url) as client:
        found = await client.run(RegisteredVersion("8", None, run_id="5f3c"))
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.BROKEN


@pytest.mark.parametrize("source", ["{", "[" * 100_000, "[]", '{"uri": 5}', 7])
async def test_a_source_that_cannot_be_read_hides_no_data_set(source: Any) -> None:
    answer = {"run": {"info": {"run_id": "5f3c"}, "inputs": {"dataset_inputs": [
        {"dataset": {"name": "transactions", "digest": "d", "source": source}}]}}}
    async with FaultServer(routes({RUN: json_answer(answer)})) as server, asking(server.url) as client:
        found = await client.run(RegisteredVersion("8", None, run_id="5f3c"))
    assert found == TrainingRun("5f3c", (RunInput("transactions", "d"),))


async def test_versions_written_as_numbers_are_understood() -> None:
    version = {"name": "fraud", "version": 1, "creation_timestamp": "1795000000000", "current_stage": "Production"}
    found = await fraud(routes({VERSIONS: json_answer({"model_versions": [version]})}))
    assert isinstance(found, RegisteredModel)
    assert [(v.version, v.created_at, v.stage, v.aliases) for v in found.versions] == [
        ("1", 1_795_000_000.0, "Production", ("champion",))]


async def test_a_token_that_repeats_ends_the_search() -> None:
    found = await fraud(routes({VERSIONS: json_answer({**ONE, "next_page_token": "again"})}))
    assert isinstance(found, RegisteredModel)
    assert len(found.versions) == 2


async def test_where_lists_of_names_are_not_understood_models_are_asked_one_by_one() -> None:
    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        if " IN " in request.fields["filter"][0]:
            return await json_answer({"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}, 400)(request, writer)
        return await routes()(request, writer)
    async with FaultServer(handle) as server, asking(server.url) as client:
        found = await client.models(["fraud", "idle"])
    assert isinstance(found["fraud"], RegisteredModel)
    assert isinstance(found["idle"], Failure)


async def test_a_thousand_models_cost_forty_requests() -> None:
    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        names = request.fields["filter"][0].removeprefix("name IN ('").removesuffix("')").split("', '")
        key = "registered_models" if request.path == MODELS else "model_versions"
        return await json_answer({key: [{"name": name, "version": "1"} for name in names]})(request, writer)
    async with FaultServer(handle) as server, asking(server.url, concurrency=4) as client:
        found = await client.models([f"model-{n}" for n in range(1000)])
        assert client.requests_sent == 40
        assert server.most_under_way <= 4
        assert max(len(request.target) for request in server.requests) < 8000
    assert all(isinstance(model, RegisteredModel) and len(model.versions) == 1 for model in found.values())


async def test_a_registry_that_is_gone_is_left_alone_for_a_while() -> None:
    clock = ManualClock()
    async with asking("http://127.0.0.1:9", clock) as client:
        client.breaker._chance = lambda: 0.9
        assert client.next_try_in() is None
        await client.models(["fraud"])
        again = (await client.models(["fraud"]))["fraud"]
        assert isinstance(again, Failure)
        assert again.kind is FailureKind.CIRCUIT_OPEN
        assert client.next_try_in() == pytest.approx(0.9)


async def test_a_file_without_a_digest_is_read_again_after_ten_minutes_and_one_with_it_is_not() -> None:
    content = b"kind: ModelNotebook\n"
    clock = ManualClock()
    pinned = RegisteredVersion("1", None, manifest_sha256=hashlib.sha256(content).hexdigest())
    async with (FaultServer(routes({FILE: answering(200, content, "text/plain")})) as server,
                asking(server.url, clock) as client):
        for version, expected in ((RegisteredVersion("1", None), 2), (pinned, 1)):
            before = client.requests_sent
            for wait in (0.0, 1.0, 700.0):
                clock.advance(wait)
                found = await client.document("fraud", version, DocumentKind.MANIFEST)
                assert isinstance(found, Document)
                assert found.content == content
            assert client.requests_sent - before == expected


async def test_a_file_that_is_not_there_is_none_and_other_troubles_are_told() -> None:
    version = RegisteredVersion("1", None)
    async with FaultServer(routes()) as server, asking(server.url) as client:
        assert await client.document("fraud", version, DocumentKind.REFERENCES) is None
    async with FaultServer(routes({FILE: DENIED})) as server, asking(server.url) as client:
        found = await client.document("fraud", version, DocumentKind.MANIFEST)
        assert isinstance(found, Failure)
        assert "READ permission" in found.hint
    big = answering(200, b"x" * 1_000_001, "text/plain")
    async with FaultServer(routes({FILE: big})) as server, asking(server.url, max_body="4M") as client:
        found = await client.document("fraud", version, DocumentKind.MANIFEST)
        assert isinstance(found, Failure)
        assert found.kind is FailureKind.TOO_LARGE


@pytest.mark.parametrize("answer", [
    answering(404, "<html><title>404 Not Found</title></html>", "text/html"),
    json_answer({"message": "no Route matched with those values"}, 404),
    json_answer({"error_code": "ENDPOINT_NOT_FOUND", "message": "No such route"}, 404)])
async def test_a_route_that_is_not_there_says_nothing_of_the_file(answer: Handler) -> None:
    async with FaultServer(routes({FILE: answer})) as server, asking(server.url) as client:
        found = await client.document("fraud", RegisteredVersion("1", None), DocumentKind.MANIFEST)
        assert isinstance(found, Failure)
        assert found.message.startswith("/model-versions/get-artifact is not answered by MLflow: ")
        # It is told of the file: the server itself answers.
        assert found.kind not in SILENT
        assert isinstance((await client.models(["fraud"]))["fraud"], RegisteredModel)


async def checked(registry: Any, *, allow_write: bool = False, config: Path | None = None) -> SourceCheck:
    context = Context.model_validate({"prometheus": {"url": "http://127.0.0.1:9", "timeout": "100ms"},
                                      "allow_write": allow_write, "registry": registry})
    found = await check_up(Active("test", context, (), config), ManualClock(1_795_000_000.0))
    return found.sources[2]


async def mlflow_checked(handler: Handler, *, allow_write: bool = False, **more: Any) -> SourceCheck:
    async with FaultServer(handler) as server:
        found = await checked({"kind": "mlflow", "url": server.url, "timeout": "1s", **more},
                              allow_write=allow_write)
        for request in server.requests:
            assert request.method == "GET" or request.path.endswith("/alias")
    return found


def state(found: SourceCheck, what: str) -> str:
    return next(c.state for c in found.capabilities if c.what == what)


async def test_doctor_is_content_with_a_server_that_this_credential_may_only_read() -> None:
    found = await mlflow_checked(routes())
    assert (found.state, found.product, found.version, found.warnings, found.ok) == (
        SourceState.OK, "MLflow", "3.17.2", (), True)
    assert [state(found, what) for what in ("models", "versions", "aliases", "files of versions")] == ["ok"] * 4


async def test_doctor_warns_of_a_credential_that_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_TOKEN", TOKEN)
    writable = routes({ALIAS: REFUSED_ALIAS})
    assert "whoever reaches it" in (await mlflow_checked(writable)).warnings[0]
    known = await mlflow_checked(writable, bearer_token={"env": "CANARY_TOKEN"})
    assert known.warnings[0].startswith("this credential can move aliases")
    allowed = await mlflow_checked(writable, allow_write=True)
    assert (allowed.warnings, state(allowed, "moving aliases")) == ((), "ok")
    assert state(await mlflow_checked(routes(), allow_write=True), "moving aliases") == "missing"


@pytest.mark.parametrize(("changes", "what", "expected"), [
    ({FILE: answering(500, "no credentials", "text/plain")}, "files of versions", "missing"),
    ({FILE: answering(404, "<html><title>404</title></html>", "text/html")}, "files of versions", "missing"),
    ({FILE: json_answer({"message": "no Route matched"}, 404)}, "files of versions", "missing"),
    ({FILE: answering(200, "x", "text/plain")}, "files of versions", "ok"),
    ({VERSIONS: json_answer({})}, "files of versions", "unknown"), ({MODELS: json_answer({})}, "models", "unknown"),
    ({"/version": answering(200, "2.1.0", "text/plain")}, "aliases", "missing"),
    ({"/version": answering(404, "no")}, "aliases", "unknown"), ({VERSIONS: DENIED}, "versions", "missing")])
async def test_doctor_names_what_is_missing(changes: Mapping[str, Handler], what: str, expected: str) -> None:
    assert state(await mlflow_checked(routes(changes)), what) == expected


async def test_doctor_says_why_a_registry_is_down() -> None:
    found = await mlflow_checked(answering(401, "You are not authenticated.", "text/html"))
    assert (found.state, found.ok) == (SourceState.DOWN, False)
    assert "mlflow_environment" in found.fix


async def test_doctor_says_that_a_variable_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "USERNAME", "CLIENT_CERT_PATH"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    found = await checked({"kind": "mlflow", "url": "http://127.0.0.1:9", "mlflow_environment": True})
    assert found.state is SourceState.DOWN
    assert "MLFLOW_TRACKING_TOKEN" in found.fix


async def test_doctor_of_a_context_without_a_registry() -> None:
    found = await checked(None)
    assert (found.state, found.ok) == (SourceState.OFF, True)
    assert "kind: folder" in found.capabilities[0].fix


async def test_doctor_does_not_take_a_fetch_that_failed_for_one_that_brought_something(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    git("tag", "-a", "fraud@v1", "-m", "first")
    asked = {"kind": "folder", "path": str(tmp_path)}
    assert state(await checked(asked), "up to date") == "unknown"
    head = tmp_path / ".git/FETCH_HEAD"
    for content, expected in ((b"4711\t\tbranch 'main' of elsewhere\n", "ok"), (b"", "missing")):
        head.write_bytes(content)
        os.utime(head, (1_795_000_000.0 - 1800, 1_795_000_000.0 - 1800))
        assert state(await checked(asked), "up to date") == expected


async def test_doctor_examines_a_folder_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    config = tmp_path / "triage.yaml"
    missing = await checked({"kind": "folder", "path": "models"}, config=config)
    assert missing.state is SourceState.DOWN
    assert "registry.yaml" in missing.fix
    (tmp_path / "models/registry.yaml").write_text(
        "apiVersion: triage/v1alpha1\nkind: ModelRegistry\nmodels: {fraud: {versions: [{version: '1'}]}}\n")
    found = await checked({"kind": "folder", "path": "models"}, config=config)
    assert (found.state, found.product, found.ok) == (SourceState.OK, "registry.yaml", True)
    assert found.capabilities[0].detail == "1 model, 1 versions"


VARIABLES = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pw", "MLFLOW_TRACKING_TOKEN": "token",
             "MLFLOW_TRACKING_SERVER_CERT_PATH": "/ca.pem", "MLFLOW_TRACKING_INSECURE_TLS": "true"}


def registry(**more: Any) -> MlflowRegistry:
    return MlflowRegistry.model_validate({"kind": "mlflow", "url": "https://mlflow.example", **more})


def test_mlflows_variables_are_not_read_unless_the_context_says_so() -> None:
    endpoint = registry().endpoint(VARIABLES)
    assert (endpoint.basic_auth, endpoint.bearer_token, endpoint.tls.ca) == (None, None, None)


def test_a_user_name_with_a_password_goes_before_a_token() -> None:
    endpoint = registry(mlflow_environment=True).endpoint(VARIABLES)
    assert endpoint.basic_auth is not None
    assert (endpoint.basic_auth.username, endpoint.basic_auth.password.env) == ("ada", "MLFLOW_TRACKING_PASSWORD")
    assert (endpoint.bearer_token, endpoint.tls.ca) == (None, "/ca.pem")
    without = {name: value for name, value in VARIABLES.items() if "PASSWORD" not in name}
    token = registry(mlflow_environment=True).endpoint(without).bearer_token
    assert token is not None
    assert token.env == "MLFLOW_TRACKING_TOKEN"
    with pytest.raises(ConfigError, match="hold no credential"):
        registry(mlflow_environment=True).endpoint({})


def test_two_credentials_are_refused() -> None:
    with pytest.raises(ValueError, match="keep one"):
        registry(mlflow_environment=True, bearer_token={"env": "X"})


@pytest.mark.parametrize(("value", "said"), [
    ("{kind: folder, path: x, ref: --upload-pack}", "no branch, tag or commit"),
    ("{kind: wandb, url: 'http://x'}", "has the kind wandb, which must be one of 'mlflow', 'folder'"),
    ("{path: x}", "does not say its kind"), ("{kind: mlflow}", "is missing"),
    ("{kind: mlflow, url: 'http://x', bearer_tokn: {env: X}}", "did you mean bearer_token?")])
def test_a_registry_that_cannot_be_is_refused(value: str, said: str) -> None:
    document = parse(f"prometheus: {{url: 'http://x'}}\nregistry: {value}\n", "context")
    with pytest.raises(InvalidDocument) as refused:
        validate(document, Context)
    assert said in " ".join(finding.sentence() for finding in refused.value.findings)


def test_the_registry_of_a_context_is_opened(tmp_path: Path) -> None:
    def opened(content: Any) -> Any:
        context = Context.model_validate({"prometheus": {"url": "http://x"}, "registry": content})
        return open_registry(Active("a", context, (), tmp_path / "triage.yaml"), ManualClock())
    assert opened(None) is None
    assert isinstance(opened({"kind": "mlflow", "url": "http://mlflow.example"}), MlflowClient)
    folder = opened(FolderRegistry(kind="folder", path="models", ref="main"))
    assert isinstance(folder, FolderClient)
    assert folder.where == f"{tmp_path / 'models'} at main"


CONFIG = """\
apiVersion: triage/v1alpha1
kind: Config
contexts:
  a: {prometheus: {url: "http://x"}, registry: {kind: mlflow, url: "https://mlflow.example", bearer_token: {env: X}}}
  b: {prometheus: {url: "http://x"}, registry: {kind: folder, path: models, ref: origin/main}}
"""


def shown(folder: Path, context: str, environ: Mapping[str, str]) -> Any:
    file = folder / "triage.yaml"
    file.write_text(CONFIG)
    file.chmod(0o600)
    return json.loads(show_json(activate(Overrides(config=str(file), context=context), environ)))["registry"]


def test_the_registry_in_force_is_shown_without_secrets(tmp_path: Path) -> None:
    found = shown(tmp_path, "a", {})
    assert (found["kind"], found["url"], found["bearer_token"]) == ("mlflow", "https://mlflow.example", "from env X")
    assert shown(tmp_path, "b", {}) == {"kind": "folder", "path": str(tmp_path / "models"), "ref": "origin/main"}


def test_a_server_named_by_a_variable_gets_no_credential(tmp_path: Path) -> None:
    found = shown(tmp_path, "a", {"TRIAGE_REGISTRY_URL": "http://127.0.0.1:5000"})
    assert found["url"] == "http://127.0.0.1:5000"
    assert "bearer_token" not in found
