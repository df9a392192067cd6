"""A secret written in clear is refused and never repeated: not in an error, not on standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.commands import run
from triage.config import Config
from triage.errors import InvalidDocument
from triage.strict_yaml import parse, validate

SECRET = "hunter2sekret"
HEAD = "apiVersion: triage/v1alpha1\nkind: Config\ncontexts:\n  prod:\n"
SPOTS = {
    "bearer_token": "    prometheus: {{url: 'http://a', bearer_token: {0}}}\n",
    "basic_auth": "    prometheus: {{url: 'http://a', basic_auth: {0}}}\n",
    "basic_auth.password": "    prometheus: {{url: 'http://a', basic_auth: {{username: u, password: {0}}}}}\n",
    "secret_headers": "    prometheus: {{url: 'http://a', secret_headers: {0}}}\n",
    "secret_headers.X-Key": "    prometheus: {{url: 'http://a', secret_headers: {{X-Key: {0}}}}}\n",
    "alertmanager.bearer_token": "    prometheus: {{url: 'http://a'}}\n"
                                 "    alertmanager: {{url: 'http://a', bearer_token: {0}}}\n",
    "registry.bearer_token": "    prometheus: {{url: 'http://a'}}\n"
                             "    registry: {{kind: mlflow, url: 'http://a', bearer_token: {0}}}\n",
    "kubernetes.bearer_token": "    prometheus: {{url: 'http://a'}}\n"
                               "    kubernetes: {{kubeconfig: k, context: c, bearer_token: {0}}}\n",
    "logs.password": "    prometheus: {{url: 'http://a'}}\n"
                     "    logs: {{kind: loki, url: 'http://a', basic_auth: {{username: u, password: {0}}}}}\n",
}
SHAPES = ("{0}", '"{0}"', "[{0}]", "[[{0}], 1]", "{{{0}}}", "{{{0}: 1}}", "{{value: {0}}}", "{{env: [{0}]}}",
          "{{file: {{a: {0}}}}}", "{{command: {0}}}", "{{env: 'x {0}'}}", "{{env: A, file: {0}}}", "!{0}", "!!int {0}",
          "!!bool {0}", "!{0} x", "!x!{0} y", "*{0}", "{{'Bearer {0}': {{env: A}}}}", "{{command: [{{a: {0}}}]}}")


def refusal(text: str) -> str:
    with pytest.raises(InvalidDocument) as caught:
        validate(parse(text, "triage.yaml"), Config)
    return "\n".join(finding.sentence() for finding in caught.value.findings) + str(caught.value)


@pytest.mark.parametrize(("spot", "shape"), [
    (spot, shape) for spot in SPOTS for shape in SHAPES
    # There it is the name of a header.
    if (spot, shape) != ("secret_headers", "{{{0}: 1}}")])
def test_whatever_stands_in_place_of_a_reference_is_not_repeated(spot: str, shape: str) -> None:
    said = refusal(HEAD + SPOTS[spot].format(shape.format(SECRET)))
    assert SECRET not in said


_VALUES = st.recursive(
    st.text(st.sampled_from("abcdefXYZ0189-_/+="), min_size=1).map(lambda t: f"{SECRET}{t}")
    | st.integers(min_value=0).map(lambda n: 10**12 * (n + 1) + 271_828_182),
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(
        st.sampled_from(("env", "file", "command", "username", "password", "value", f"{SECRET} x")), inner,
        min_size=1, max_size=3), max_leaves=4)


def _refers(value: object) -> bool:
    """Whether a reference, or something that holds one, is among what was made up."""
    if isinstance(value, dict):
        named = set(value) & {"env", "file"}
        return any(isinstance(value[n], str) for n in named) or "command" in value or any(map(_refers, value.values()))
    return any(map(_refers, value)) if isinstance(value, list) else False


@given(st.sampled_from(sorted(SPOTS)), _VALUES.filter(lambda value: not _refers(value)))
def test_no_value_of_any_shape_is_repeated(spot: str, value: object) -> None:
    said = refusal(HEAD + SPOTS[spot].format(json.dumps(value)))
    assert SECRET not in said
    assert "271828182" not in said.replace("_", "")


@pytest.mark.parametrize("spot", ["bearer_token", "basic_auth.password", "secret_headers.X-Key"])
def test_the_error_says_how_a_secret_is_written(spot: str) -> None:
    said = refusal(HEAD + SPOTS[spot].format(SECRET))
    assert f"{spot}: is not a reference to a secret (write {{file: ...}}, {{env: ...}} or {{command: [...]}})" in said


@pytest.mark.parametrize("url", ["u:{0}@host", "http://u:{0}@host", "ftp://u:{0}@host", "http://u:x/{0}@host:1"])
def test_a_password_in_a_url_is_not_repeated(url: str) -> None:
    assert SECRET not in refusal(f"{HEAD}    prometheus: {{url: '{url.format(SECRET)}'}}\n")


@pytest.mark.parametrize("spot", SPOTS)
@pytest.mark.parametrize("command", [("status",), ("check", "m"), ("config", "validate"), ("config", "show"),
                                     ("doctor",), ("config", "paths")])
def test_no_command_writes_it_anywhere(command: tuple[str, ...], spot: str, tmp_path: Path) -> None:
    file = tmp_path / "triage.yaml"
    file.write_text(HEAD + SPOTS[spot].format(SECRET), "utf-8")
    file.chmod(0o600)
    result = run(*command, "--config", file)
    assert result.exit_code == 64
    assert SECRET not in result.output + result.stderr
