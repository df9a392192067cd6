"""The command line: words, options, exit codes, and what each command writes where."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest
import yaml
from click.testing import CliRunner

from tests.commands import EXAMPLES, NOWHERE, process, run
from tests.sources.faults import FaultServer, Handler, Request, answering, json_answer
from tests.sources.test_discovery import LLAMA, SERVER
from triage import __version__
from triage.cli import cli
from triage.cli_group import THEMES
from triage.notebook.load import load_notebook

COMMANDS = ("act", "capture", "cells", "check", "completion", "config", "demo", "discover", "doctor", "incident",
            "journal", "lab", "notebook", "open", "status", "watch")
NESTED = (("cells", "list"), ("cells", "run"), ("config", "paths"), ("config", "show"), ("config", "validate"),
          ("incident", "export"), ("incident", "list"), ("incident", "show"),
          ("journal", "show"), ("journal", "verify"), ("lab", "screenshots"), ("lab", "serve"), ("notebook", "lint"),
          ("notebook", "run"), ("notebook", "schema"))


@pytest.fixture(autouse=True)
def clean_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TRIAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


def config_file(folder: Path, **changes: object) -> Path:
    path = folder / "triage.yaml"
    path.write_text(yaml.safe_dump({
        "apiVersion": "triage/v1alpha1", "kind": "Config", "notebooks": [str(EXAMPLES)],
        "contexts": {"prod": {"production": True, "prometheus": {
            "url": NOWHERE, "bearer_token": {"env": "TRIAGE_TEST_TOKEN"}}}}, **changes}))
    path.chmod(0o600)
    return path


def broken_notebook(folder: Path) -> Path:
    path = folder / "notebooks" / "ads-pacing"
    path.mkdir(parents=True)
    (path / "manifest.yaml").write_text("apiVersion: triage/v1alpha1\nkind: ModelNotebook\n"
                                        "metadata: {name: ads-pacing}\nspec: {slso: []}\n")
    return path


def empty_server() -> Handler:
    """A Prometheus without any series."""
    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        content: object = {"resultType": "vector", "result": []}
        if request.path.endswith("/query_range"):
            content = {"resultType": "matrix", "result": []}
        elif request.path.endswith("/alerts"):
            content = {"alerts": []}
        elif not request.path.endswith("/query"):
            return await answering(404, "no")(request, writer)
        return await json_answer({"status": "success", "data": content})(request, writer)
    return handle


# Words


def test_the_version_is_told() -> None:
    assert run("--version").output == f"triage {__version__}\n"


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS), *NESTED], ids=lambda w: "-".join(w) or "triage")
def test_every_command_has_help_with_examples(words: tuple[str, ...]) -> None:
    result = run(*words, "--help")
    assert result.exit_code == 0
    assert "\n  Examples:\n    triage" in result.output


@pytest.mark.parametrize(("slip", "meant"), [
    ("statsu", "status"), ("chekc", "check"), ("dcotor", "doctor"), ("discovery", "discover"), ("Status", "status"),
    ("conf", "config"), ("lint", "notebook lint"), ("schema", "notebook schema"), ("help", "--help"),
    ("version", "--version"), ("notebooks", "notebook")])
def test_a_slip_of_a_command_is_refused_with_a_suggestion(slip: str, meant: str) -> None:
    result = run(slip)
    assert result.exit_code == 64
    assert f"did you mean: triage {meant}\n" in result.output
    assert f"triage open {slip}" in result.output


@pytest.mark.parametrize("words", [("fraud-scorer",), ("open", "status"), ("open", "fraud-scorer"), (),
                                   ("--notebooks", "somewhere", "fraud-scorer")])
def test_a_word_that_is_no_command_opens_the_screen_which_needs_a_terminal(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (64, "")
    assert "the screen needs a terminal" in result.stderr


@pytest.mark.parametrize("words", [
    ("--wrong",), ("status", "a", "b"), ("check",), ("status", "--format", "yaml"), ("fraud-scorer", "--theme", "pink"),
    ("status", "--interval", "5"), ("status", "--interval", "fast"), ("check", "m", "--fail-on", "bad"),
    ("check", "m", "--fail-on", "none,fail"), ("check", "m", "--wait", "30"),
    ("notebook",), ("notebook", "lnt"), ("notebook", "lint"), ("completion",),
    ("completion", "tcsh"), ("--theme", "dark", "status"), ("--alert", "x", "doctor"), ("fraud-scorer", "extra")])
def test_a_mistake_in_the_command_line_ends_with_64_and_a_word_on_stderr(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (64, "")
    assert result.stderr


@pytest.mark.parametrize("words", [("--prometheus", NOWHERE, "config", "show"),
                                   ("config", "show", "--prometheus", NOWHERE),
                                   ("--prometheus", "http://127.0.0.1:2", "config", "show", "--prometheus", NOWHERE)])
def test_options_hold_before_and_after_the_command_and_the_last_counts(words: tuple[str, ...]) -> None:
    assert yaml.safe_load(run(*words).stdout)["prometheus"]["url"] == NOWHERE


@pytest.mark.parametrize("option", ["--config", "--context", "--notebooks", "--prometheus"])
def test_an_option_whose_value_is_empty_leads_nowhere_else(option: str) -> None:
    done = run(option, "", "status")
    assert done.exit_code == 64
    assert f"'{option}': it is empty: name one, or leave the option out" in done.stderr


def test_folders_of_notebooks_add_up() -> None:
    shown = run("--notebooks", "a", "config", "show", "--notebooks", "b", "--prometheus", NOWHERE).stdout
    assert yaml.safe_load(shown)["notebooks"] == ["a", "b"]


def test_the_themes_offered_are_those_of_the_screen() -> None:
    from triage.tui.theme import SHORT_NAMES
    assert set(THEMES) == {"auto", *SHORT_NAMES}


# Completion


def completed(*words: str, typed: str = "", env: Mapping[str, str] | None = None) -> list[str]:
    line = " ".join(["triage", *words, typed])
    result = CliRunner().invoke(cli, [], prog_name="triage", env={
        "COMP_WORDS": line, "COMP_CWORD": str(len(words) + 1), "_TRIAGE_COMPLETE": "bash_complete", **(env or {})})
    assert result.exit_code == 0
    assert not result.stderr
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


def test_commands_and_models_complete_as_the_first_word() -> None:
    found = completed("--notebooks", str(EXAMPLES))
    assert found == [*COMMANDS, "chat-assistant", "churn-ranker", "fraud-scorer"]
    assert completed("--notebooks", str(EXAMPLES), typed="ch") == ["check", "chat-assistant", "churn-ranker"]


@pytest.mark.parametrize("command", ["status", "check", "open"])
def test_models_complete_after_a_command(command: str) -> None:
    assert completed(command, typed="fr", env={"TRIAGE_NOTEBOOKS": str(EXAMPLES)}) == ["fraud-scorer"]


def test_models_of_the_configuration_complete(tmp_path: Path) -> None:
    assert completed("--config", str(config_file(tmp_path)), typed="fr") == ["fraud-scorer"]


def test_a_model_with_a_broken_notebook_completes_too(tmp_path: Path) -> None:
    assert completed("status", "--notebooks", str(broken_notebook(tmp_path)), typed="a") == ["ads-pacing"]


@pytest.mark.parametrize("words", [("--config", "missing.yaml"), ("--context", "nowhere")])
def test_what_goes_wrong_during_completion_is_silent(words: tuple[str, ...]) -> None:
    assert completed(*words, typed="sta") == ["status"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_for_each_shell(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_TRIAGE_COMPLETE={shell}_complete" in result.stdout


# Status and check


async def test_status_of_an_empty_server_is_unknown_not_well() -> None:
    async with FaultServer(empty_server()) as server:
        code, out, err = await process("status", "fraud-scorer", "--notebooks", EXAMPLES, "--prometheus", server.url)
    assert (code, err) == (0, "")
    assert "? fraud-scorer  UNKNOWN" in out
    assert "no data" in out
    assert "not asked about: chat-assistant, churn-ranker" in out


async def test_status_as_json_is_one_document_of_every_model() -> None:
    async with FaultServer(empty_server()) as server:
        code, out, err = await process("status", "--format", "json", "--notebooks", EXAMPLES,
                                       "--prometheus", server.url)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["schema"] == "triage.status/v1"
    assert [model["model"] for model in found["models"]] == ["chat-assistant", "churn-ranker", "fraud-scorer"]


def test_a_prometheus_that_cannot_be_reached_is_unknown() -> None:
    result = run("check", "fraud-scorer", "--notebooks", EXAMPLES, "--prometheus", NOWHERE)
    assert result.exit_code == 3
    assert "refuses connections" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(("fail_on", "code"), [("warn,fail", 0), ("unknown", 3), ("none", 0)])
def test_only_the_verdicts_named_fail_the_check(fail_on: str, code: int) -> None:
    result = run("check", "fraud-scorer", "--notebooks", EXAMPLES, "--prometheus", NOWHERE, "--fail-on", fail_on)
    assert result.exit_code == code


def test_check_as_json_says_how_it_ends() -> None:
    result = run("check", "fraud-scorer", "--notebooks", EXAMPLES, "--prometheus", NOWHERE, "--format", "json")
    said = json.loads(result.stdout)["check"]
    assert said.pop("reason").startswith("Prometheus does not answer: ")
    assert said == {"model": "fraud-scorer", "candidate": None, "verdict": "unknown", "exit_code": 3}


def test_check_as_junit_is_xml_with_errors() -> None:
    result = run("check", "fraud-scorer", "--notebooks", EXAMPLES, "--prometheus", NOWHERE, "--format", "junit")
    suite = xml.fromstring(result.stdout).find("testsuite")
    assert result.exit_code == 3
    assert suite is not None
    assert int(suite.get("errors", "0")) > 0


def test_a_broken_notebook_is_unknown(tmp_path: Path) -> None:
    result = run("check", "ads-pacing", "--notebooks", broken_notebook(tmp_path), "--prometheus", NOWHERE)
    assert result.exit_code == 3
    # A long path breaks the line somewhere.
    assert "did you mean slos?" in " ".join(result.stdout.split())


def test_a_model_that_is_not_there_is_a_mistake_with_the_nearest_name() -> None:
    result = run("check", "fraud-scorr", "--notebooks", EXAMPLES, "--prometheus", NOWHERE)
    assert (result.exit_code, result.stdout) == (64, "")
    assert "did you mean fraud-scorer?" in result.stderr


def test_without_a_configuration_it_is_said_what_to_do() -> None:
    result = run("status")
    assert (result.exit_code, result.stdout) == (64, "")
    assert result.stderr.startswith("triage: no configuration: ")
    assert "--prometheus http://localhost:9090" in result.stderr


def test_every_error_of_a_configuration_is_told_at_once(tmp_path: Path) -> None:
    path = config_file(tmp_path, contexts={"a": {"prometheus": {"url": "ftp://x", "tmeout": "3s"}}})
    result = run("status", "--config", path)
    assert result.exit_code == 64
    assert "did you mean timeout?" in result.stderr
    assert "is not an http or https URL" in result.stderr


async def test_watching_appends_a_line_of_json_per_look_and_ends_on_ctrl_c_with_130() -> None:
    async with FaultServer(empty_server()) as server:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "triage", "status", "fraud-scorer", "--watch", "--interval", "1s", "--format", "json",
            "--notebooks", str(EXAMPLES), "--prometheus", server.url, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, limit=1 << 20)
        assert started.stdout is not None
        looks = [json.loads(await asyncio.wait_for(started.stdout.readline(), 20)) for _ in range(2)]
        started.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(started.communicate(), 20)
    assert started.returncode == 130
    assert err.strip() == b""
    assert looks[0]["at"] < looks[1]["at"]


# Notebooks


def test_the_examples_have_nothing_to_find() -> None:
    result = run("notebook", "lint", EXAMPLES)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing found\n")


def test_an_error_in_a_notebook_is_told_with_its_line_and_ends_with_2(tmp_path: Path) -> None:
    result = run("notebook", "lint", broken_notebook(tmp_path))
    assert result.exit_code == 2
    assert "manifest.yaml:4: error: spec.slso: " in result.stdout
    assert "errors" in result.stderr


def test_warnings_alone_end_with_1(tmp_path: Path) -> None:
    text = (EXAMPLES / "fraud-scorer" / "manifest.yaml").read_text()
    (tmp_path / "manifest.yaml").write_text(text)
    for name in ("runbook.md", "notebook.ipynb", "requirements.txt"):
        (tmp_path / name).write_bytes((EXAMPLES / "fraud-scorer" / name).read_bytes())
    (tmp_path / "data").symlink_to(EXAMPLES / "fraud-scorer" / "data")
    manifest = yaml.safe_load(text)
    manifest["spec"]["slos"][1]["objective"] = 90
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    result = run("notebook", "lint", tmp_path)
    assert result.exit_code == 1
    assert ": warning: spec.slos[1].objective: can never burn at 14.4x" in result.stdout


def test_lint_as_json_counts_and_names_every_finding(tmp_path: Path) -> None:
    result = run("notebook", "lint", broken_notebook(tmp_path), EXAMPLES, "--format", "json")
    found = json.loads(result.stdout)
    assert (found["schema"], result.stderr) == ("triage.lint/v1", "")
    assert found["errors"] == len(found["findings"]) > 0
    assert set(found["findings"][0]) == {"severity", "file", "line", "field", "message", "hint", "code"}


def test_the_schema_is_json() -> None:
    assert json.loads(run("notebook", "schema").stdout)["title"] == "triage model notebook"


# Sources


def test_doctor_says_what_is_wrong_and_how_to_mend_it() -> None:
    result = run("doctor", "--prometheus", NOWHERE)
    assert result.exit_code == 2
    assert "✖ prometheus  down" in result.stdout
    assert "fix: is Prometheus running" in result.stdout


async def test_doctor_as_json_is_well_with_a_server_that_answers() -> None:
    async with FaultServer(empty_server()) as server:
        code, out, _ = await process("doctor", "--format", "json", "--prometheus", server.url)
    found = json.loads(out)
    assert (found["schema"], found["ok"], code) == ("triage.doctor/v1", code == 0, 0 if found["ok"] else 2)
    assert [source["name"] for source in found["sources"]] == ["prometheus", "alertmanager", "registry", "kubernetes",
                                                               "logs"]


def test_discover_ends_with_2_where_nobody_answers() -> None:
    result = run("discover", NOWHERE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "refuses connections" in result.stderr


async def test_lint_asks_prometheus_for_the_metrics_of_runbooks_when_told_to() -> None:
    async with FaultServer(SERVER) as server:
        asked = ("notebook", "lint", f"{EXAMPLES}/chat-assistant", "--live", "--prometheus")
        code, out, err = await process(*asked, server.url)
        assert (code, err) == (1, "2 warnings\n")
        assert "looks at vllm:kv_cache_usage_perc, which Prometheus does not have now" in out
        code, _, err = await process(*asked, NOWHERE)
        assert code == 2
        assert "metrics could not be read" in err


def test_discover_refuses_what_is_no_url() -> None:
    assert run("discover", "localhost").exit_code == 64


async def test_discover_lists_what_is_there_and_proposes_a_manifest_that_loads(tmp_path: Path) -> None:
    async with FaultServer(SERVER) as server:
        code, out, err = await process("discover", server.url)
        _, manifest, _ = await process("discover", server.url, "--model", "fraud")
    assert code == 0
    assert [line.split() for line in out.splitlines() if line.startswith(("fraud ", LLAMA))][:2] == [
        ["fraud", "model", "custom", "v9,", "v10", "2", "12"], [LLAMA, "model_name", "vllm", "-", "2", "5"]]
    assert "for a manifest to start from, add: --model fraud" in err
    (tmp_path / "manifest.yaml").write_text(manifest)
    assert load_notebook(tmp_path).name == "fraud"


async def test_credentials_of_the_context_go_to_its_own_server_only(tmp_path: Path) -> None:
    async with FaultServer(SERVER) as own, FaultServer(SERVER) as other:
        path = config_file(tmp_path, contexts={"prod": {"prometheus": {
            "url": own.url, "bearer_token": {"env": "TRIAGE_TEST_TOKEN"}}}})
        for url in (own.url, other.url):
            await process("discover", url, "--config", path, env={"TRIAGE_TEST_TOKEN": "hunter2"})
    assert {request.headers.get("authorization") for request in own.requests} == {"Bearer hunter2"}
    assert {request.headers.get("authorization") for request in other.requests} == {None}


# Configuration


def test_config_show_names_secrets_by_where_they_lie_and_reads_none(tmp_path: Path) -> None:
    result = run("config", "show", "--config", config_file(tmp_path), env={"TRIAGE_TEST_TOKEN": "hunter2"})
    assert yaml.safe_load(result.stdout)["prometheus"]["bearer_token"] == "from env TRIAGE_TEST_TOKEN"
    assert "hunter2" not in result.output


def test_config_show_names_the_kubeconfig_and_reads_nothing_of_it(tmp_path: Path) -> None:
    path = config_file(tmp_path, contexts={"prod": {"prometheus": {"url": NOWHERE}, "kubernetes": {
        "kubeconfig": "kube", "context": "prod-eu", "bearer_token": {"env": "TRIAGE_TEST_TOKEN"}}}})
    shown = yaml.safe_load(run("config", "show", "--config", path, env={"TRIAGE_TEST_TOKEN": "hunter2"}).stdout)
    assert shown["kubernetes"] == {"kubeconfig": f"{tmp_path}/kube", "context": "prod-eu",
                                   "bearer_token": "from env TRIAGE_TEST_TOKEN", "timeout": "10s"}


def test_config_show_as_json_has_the_values_in_force(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    result = run("config", "show", "--format", "json", "--config", path, env={"TRIAGE_INTERVAL": "30s"})
    found = json.loads(result.stdout)
    assert (found["schema"], found["context"], found["interval"], found["config"]) == (
        "triage.config/v1", "prod", "30s", str(path))


def test_config_paths_work_without_a_configuration(tmp_path: Path) -> None:
    result = run("config", "paths", env={"TRIAGE_INTERVAL": "30s"})
    assert result.exit_code == 0
    assert f"{tmp_path}/.config/triage/triage.yaml  does not exist" in result.stdout
    assert "30s" in result.stdout


def test_config_validate_says_that_all_is_right_or_ends_with_64(tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_TEST_TOKEN", "hunter2")
    path = config_file(tmp_path)
    right = run("config", "validate", "--config", path)
    assert (right.exit_code, right.stdout) == (0, "")
    assert "right: 1 context, prod is in force" in right.stderr
    path.chmod(0o666)
    wrong = run("config", "validate", "--config", path)
    assert wrong.exit_code == 64
    assert "can be written by others" in wrong.stderr


def test_config_validate_tries_every_secret_of_every_context_and_shows_none(tmp_path: Path) -> None:
    open_to_all, missing, ran = tmp_path / "token", tmp_path / "missing", tmp_path / "ran"
    open_to_all.write_text("hunter2")
    open_to_all.chmod(0o644)
    path = config_file(tmp_path, current_context="prod", contexts={
        "prod": {"prometheus": {"url": NOWHERE, "bearer_token": {"env": "TRIAGE_TEST_TOKEN"}},
                 "alertmanager": {"url": NOWHERE, "basic_auth": {"username": "u", "password": {
                     "file": str(open_to_all)}}}},
        "other": {"prometheus": {"url": NOWHERE, "secret_headers": {
            "X-Key": {"file": str(missing)}, "X-Ran": {"command": ["touch", str(ran)]}}},
            "registry": {"kind": "mlflow", "url": NOWHERE, "mlflow_environment": True}}})
    result = run("config", "validate", "--config", path, env={"TRIAGE_TEST_TOKEN": "", "MLFLOW_TRACKING_TOKEN": "",
                                                              "MLFLOW_TRACKING_USERNAME": ""})
    assert result.exit_code == 64
    said = {line.strip().split(": ", 2)[1]: line for line in result.stderr.splitlines()[1:]}
    assert set(said) == {"contexts.prod.prometheus.bearer_token", "contexts.prod.alertmanager.basic_auth.password",
                         "contexts.other.prometheus.secret_headers.X-Key", "contexts.other.registry.mlflow_environment"}
    assert "TRIAGE_TEST_TOKEN is not set" in said["contexts.prod.prometheus.bearer_token"]
    assert "can be read by others (mode 0644)" in said["contexts.prod.alertmanager.basic_auth.password"]
    assert "cannot be read: No such file" in said["contexts.other.prometheus.secret_headers.X-Key"]
    assert f"{path}:" in result.stderr
    assert "hunter2" not in result.output + result.stderr
    assert not ran.exists()


@pytest.mark.parametrize("words", [("status",), ("check", "fraud-scorer"), ("status", "--format", "json")])
def test_notebooks_that_are_not_there_are_a_mistake_and_no_model(words: tuple[str, ...], tmp_path: Path) -> None:
    result = run(*words, "--prometheus", NOWHERE, "--notebooks", EXAMPLES, "--notebooks", tmp_path / "nope")
    assert (result.exit_code, result.stdout) == (64, "")
    assert f"there is no file or folder {tmp_path / 'nope'}" in result.stderr


@pytest.mark.parametrize(("there", "code"), [(True, 0), (False, 64)])
def test_one_configured_folder_that_is_not_there_hides_no_others(there: bool, code: int, tmp_path: Path) -> None:
    path = config_file(tmp_path, notebooks=[*([str(EXAMPLES)] if there else []), str(tmp_path / "unmounted")])
    result = run("status", "--config", path, env={"TRIAGE_TEST_TOKEN": "hunter2"})
    assert result.exit_code == code
    assert "unmounted" in result.output + result.stderr


@pytest.mark.parametrize("size", ["", "80", "80x", "x24", "0x0", "80x24x2", "99999x10"])
def test_a_size_that_is_none_is_repeated_in_the_error(size: str) -> None:
    result = run("demo", "--size", size)
    assert result.exit_code == 64
    assert f'"{size}" is not a size' in result.stderr


def test_a_slip_in_the_name_of_a_scenario_is_asked_about() -> None:
    assert "did you mean canary-latency?" in run("demo", "--scenario", "canary-latenc").stderr
