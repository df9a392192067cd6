"""Configuration: precedence, secrets by reference, and refusals that say what to do."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from triage.config import Active, Config, Context, Overrides, activate, config_path, load_config
from triage.config_sources import Impersonate, Kubeconfig, KubernetesEndpoint
from triage.endpoints import ConfigError, Endpoint, SecretRef, without_userinfo
from triage.errors import InvalidDocument
from triage.strict_yaml import parse, validate

Write = Callable[[str], Path]

TWO = """\
apiVersion: triage/v1alpha1
kind: Config
current_context: staging
notebooks: [models]
contexts:
  staging:
    prometheus: {url: "http://staging.example:9090/"}
  prod:
    production: true
    notebooks: [prod-models, /srv/models]
    interval: 10s
    prometheus:
      url: https://mimir.example/prometheus
      bearer_token: {env: PROD_TOKEN}
      secret_headers: {X-Extra: {env: PROD_EXTRA}}
      tls: {cert: client.pem}
      headers: {X-Scope-OrgID: ml}
    alertmanager:
      url: https://alerts.example
      basic_auth: {username: triage, password: {file: /run/secrets/alerts}}
"""
ONE = """\
apiVersion: triage/v1alpha1
kind: Config
contexts:
  only:
    prometheus: {url: "http://one.example:9090"}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        file = tmp_path / "triage.yaml"
        file.write_text(text, "utf-8")
        file.chmod(0o600)
        return file
    return write_file


def active(file: Path, environ: Mapping[str, str] | None = None, **overrides: object) -> Active:
    return activate(Overrides(config=str(file), **overrides), environ or {})  # type: ignore[arg-type]


def invalid(text: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDocument) as caught:
        validate(parse(text, "triage.yaml"), Config)
    return [(f.field, f.message) for f in caught.value.findings]


def endpoint(text: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDocument) as caught:
        validate(parse(text, "triage.yaml"), Endpoint)
    return [(f.field, f.message) for f in caught.value.findings]


class TestWhereItLies:
    def test_the_option_comes_first(self) -> None:
        assert config_path("/a.yaml", {"TRIAGE_CONFIG": "/b.yaml"}) == (Path("/a.yaml"), True)

    def test_then_the_environment(self) -> None:
        assert config_path(None, {"TRIAGE_CONFIG": "/b.yaml", "XDG_CONFIG_HOME": "/x"}) == (Path("/b.yaml"), True)

    def test_then_the_xdg_folder(self) -> None:
        assert config_path(None, {"XDG_CONFIG_HOME": "/x"}) == (Path("/x/triage/triage.yaml"), False)

    @pytest.mark.parametrize("environ", [{}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "relative"}])
    def test_else_the_home_folder(self, environ: Mapping[str, str]) -> None:
        assert config_path(None, environ) == (Path.home() / ".config/triage/triage.yaml", False)

    def test_an_unknown_home_is_an_error_for_people(self) -> None:
        with pytest.raises(ConfigError, match="no home folder"):
            config_path("~nobody-of-this-name/triage.yaml", {})


class TestTheFile:
    @pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o664])
    def test_one_that_others_may_write_is_refused(self, write: Write, mode: int) -> None:
        file = write(ONE)
        file.chmod(mode)
        with pytest.raises(ConfigError, match=f"written by others \\(mode {mode:04o}\\)") as caught:
            load_config(file)
        assert "chmod go-w" in caught.value.hint

    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o400])
    def test_one_that_others_may_only_read_is_taken(self, write: Write, mode: int) -> None:
        file = write(ONE)
        file.chmod(mode)
        assert list(load_config(file).contexts) == ["only"]

    def test_a_named_one_must_exist(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read: No such file"):
            activate(Overrides(config=str(tmp_path / "none.yaml")), {})

    def test_a_dangling_link_is_not_taken_for_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "triage").mkdir()
        (tmp_path / "triage/triage.yaml").symlink_to(tmp_path / "gone")
        with pytest.raises(ConfigError, match="cannot be read"):
            activate(Overrides(), {"XDG_CONFIG_HOME": str(tmp_path)})

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is not a file"):
            load_config(tmp_path)

    def test_all_its_errors_come_at_once(self, write: Write) -> None:
        file = write(TWO.replace("staging.example:9090/", "user:pw@staging.example").replace("10s", "10").replace(
            "production: true", "productoin: true"))
        with pytest.raises(InvalidDocument) as caught:
            load_config(file)
        assert [(f.line, f.field) for f in caught.value.findings] == [
            (7, "contexts.staging.prometheus.url"), (9, "contexts.prod.productoin"), (11, "contexts.prod.interval")]
        assert "pw" not in str([f.sentence() for f in caught.value.findings])

    def test_a_current_context_that_is_not_there_is_an_error(self) -> None:
        (error,) = invalid(TWO.replace("current_context: staging", "current_context: stagin"))
        assert error[1].startswith("names the context stagin")

    def test_no_contexts_at_all_is_an_error(self) -> None:
        assert invalid("apiVersion: triage/v1alpha1\nkind: Config\ncontexts: {}\n") == [
            ("contexts", "needs at least 1, not 0")]


class TestEndpoints:
    @pytest.mark.parametrize("url", ["prometheus.example", "ftp://x.example", "http://", "http://x:port", "http://x:0",
                                     "http://a b", "http://x.example\\n.evil.example", "http://x.example/?a=1",
                                     "http://x.example/#a"])
    def test_what_is_no_base_url_is_refused(self, url: str) -> None:
        assert [field for field, _ in endpoint(f'url: "{url}"\n')] == ["url"]

    def test_a_password_in_a_url_is_refused_and_not_repeated(self) -> None:
        (error,) = endpoint("url: http://user:hunter2@x.example\n")
        assert "in clear" in error[1]
        assert "hunter2" not in error[1]

    @pytest.mark.parametrize("proxy", ["http://u:p@proxy.example", "proxy.example:3128", "ftp://proxy.example",
                                       "socks5://"])
    def test_a_proxy_is_checked_like_a_url(self, proxy: str) -> None:
        assert [field for field, _ in endpoint(f"url: http://x.example\nproxy: {proxy}\n")] == ["proxy"]

    @pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "socks5h://127.0.0.1:1080"])
    def test_a_good_proxy_is_kept_as_written(self, proxy: str) -> None:
        assert Endpoint(url="http://x.example", proxy=proxy).proxy == proxy

    @pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization", "cookie", "X-Api-Key", "PRIVATE-TOKEN"])
    def test_a_credential_among_plain_headers_is_refused(self, name: str) -> None:
        assert "credential" in endpoint(f"url: http://x.example\nheaders: {{{name}: abc}}\n")[0][1]

    @pytest.mark.parametrize("header", ['"X: Y": a', '"X Y": a', 'X: "a\\nB: c"', '"": a'])
    def test_a_header_that_would_be_two_is_refused(self, header: str) -> None:
        assert endpoint(f"url: http://x.example\nheaders: {{{header}}}\n")

    @pytest.mark.parametrize("extra", [
        "bearer_token: {env: A}\nbasic_auth: {username: u, password: {env: B}}",
        "bearer_token: {env: A}\nsecret_headers: {authorization: {env: B}}",
        "headers: {x-tenant: a}\nsecret_headers: {X-Tenant: {env: B}}",
    ])
    def test_two_ways_to_say_who_we_are_are_refused(self, extra: str) -> None:
        assert endpoint(f"url: http://x.example\n{extra}\n")

    @pytest.mark.parametrize("name", ['"two\\nlines"', "x" * 81])
    def test_a_name_that_cannot_stand_on_a_screen_is_refused(self, name: str) -> None:
        assert endpoint(f"url: http://x.example\nname: {name}\n")

    def test_verification_cannot_be_turned_off(self) -> None:
        assert endpoint("url: https://x.example\ntls: {insecure: true}\n") == [("tls.insecure", "is not a known field")]

    def test_the_interval_has_a_lower_bound(self) -> None:
        with pytest.raises(InvalidDocument, match="under 1s"):
            validate(parse("prometheus: {url: http://x.example}\ninterval: 500ms\n", "triage.yaml"), Context)

    @pytest.mark.parametrize(("url", "shown"), [("http://u:p@h:1/a", "http://h:1/a"), ("http://h", "http://h"),
                                                ("http://[::1", "(unreadable URL)")])
    def test_a_url_is_shown_without_who_we_are(self, url: str, shown: str) -> None:
        assert without_userinfo(url) == shown


class TestSecrets:
    def file(self, folder: Path, content: bytes = b"s3cret\n", mode: int = 0o600) -> SecretRef:
        path = folder / "token"
        path.write_bytes(content)
        path.chmod(mode)
        return SecretRef(file=str(path))

    @pytest.mark.parametrize("text", ["{}", "{env: A, file: /b}", "{value: hunter2}", "{command: []}"])
    def test_a_reference_names_exactly_one_place(self, text: str) -> None:
        with pytest.raises(InvalidDocument):
            validate(parse(text, "triage.yaml"), SecretRef)

    def test_the_environment_gives_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRIAGE_TEST_TOKEN", " s3cret ")
        assert SecretRef(env="TRIAGE_TEST_TOKEN").read() == "s3cret"

    @pytest.mark.parametrize("value", [None, "", "  "])
    def test_an_empty_variable_is_an_error(self, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
        monkeypatch.delenv("TRIAGE_TEST_TOKEN", raising=False)
        if value is not None:
            monkeypatch.setenv("TRIAGE_TEST_TOKEN", value)
        with pytest.raises(ConfigError, match="TRIAGE_TEST_TOKEN is not set"):
            SecretRef(env="TRIAGE_TEST_TOKEN").read()

    @pytest.mark.parametrize("mode", [0o600, 0o400])
    def test_a_file_of_the_owner_alone_gives_it(self, tmp_path: Path, mode: int) -> None:
        assert self.file(tmp_path, mode=mode).read() == "s3cret"

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
    def test_a_file_that_others_may_read_is_refused(self, tmp_path: Path, mode: int) -> None:
        with pytest.raises(ConfigError, match="can be read by others") as caught:
            self.file(tmp_path, mode=mode).read()
        assert caught.value.hint.startswith("chmod 600 ")

    @pytest.mark.parametrize(("content", "message"), [
        (b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "not a text file"), (b"a\nb", "more than one line"),
        (b"x" * 70_000, "larger than"),
    ])
    def test_a_file_without_one_secret_is_refused(self, tmp_path: Path, content: bytes, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            self.file(tmp_path, content).read()

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read: No such file"):
            SecretRef(file=str(tmp_path / "none")).read()

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is not a file"):
            SecretRef(file=str(tmp_path)).read()

    def test_a_named_pipe_does_not_hang(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe", 0o600)
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
        with pytest.raises(ConfigError, match="is not a file"):
            SecretRef(file=str(tmp_path / "pipe")).read()

    def test_a_program_gives_it(self) -> None:
        assert SecretRef(command=["echo", "s3cret"]).read() == "s3cret"

    @pytest.mark.parametrize(("command", "message"), [
        (["false"], "ended with status 1"), (["true"], "printed nothing"), (["/no/such/program"], "No such file"),
        (["printf", "a\\nb"], "more than one line"),
    ])
    def test_a_program_that_fails_is_an_error(self, command: list[str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            SecretRef(command=command).read()

    def test_errors_say_neither_the_secret_nor_what_the_program_printed(self) -> None:
        with pytest.raises(ConfigError) as caught:
            SecretRef(command=["sh", "-c", "echo hunter2; echo hunter2 >&2; exit 3"]).read()
        assert "hunter2" not in str(caught.value) + caught.value.hint

    @pytest.mark.parametrize(("reference", "words"), [
        (SecretRef(env="A"), "env A"), (SecretRef(file="~/t"), "file ~/t"),
        (SecretRef(command=["pass", "x"]), "command pass"),
    ])
    def test_a_reference_describes_its_place(self, reference: SecretRef, words: str) -> None:
        assert reference.describe() == words


class TestKubernetes:
    @staticmethod
    def of(text: str) -> Kubeconfig | Endpoint | None:
        config = validate(parse(f"{ONE}    kubernetes: {text}\n", "triage.yaml"), Config)
        return config.contexts["only"].kubernetes

    def test_a_kubeconfig_and_one_of_its_contexts_are_named(self) -> None:
        assert self.of("{kubeconfig: ~/.kube/config, context: prod}") == Kubeconfig(
            kubeconfig="~/.kube/config", context="prod")

    def test_a_server_is_named_as_any_other(self) -> None:
        assert self.of('{url: "https://k8s.example:6443", bearer_token: {env: T}}') == KubernetesEndpoint(
            url="https://k8s.example:6443", bearer_token=SecretRef(env="T"))

    def test_whom_to_act_as_stands_beside_either(self) -> None:
        for text in ("kubeconfig: ~/.kube/config, context: prod", 'url: "https://k8s.example:6443"'):
            found = self.of(f"{{{text}, impersonate: {{user: oncall, groups: [sre]}}}}")
            assert isinstance(found, Kubeconfig | KubernetesEndpoint)
            assert found.impersonate == Impersonate(user="oncall", groups=["sre"])

    @pytest.mark.parametrize(("text", "field", "message"), [
        ("{kubeconfig: ~/.kube/config}", "context", "is missing"), ("{context: prod}", "kubeconfig", "is missing"),
        ('{kubeconfig: a, context: b, url: "https://k"}', "url", "is not a known field"),
        ("{kubeconfig: a, context: b, token: c}", "token", "is not a known field"),
        ('{url: "https://k", tls: {verify: false}}', "tls.verify", "is not a known field"),
        ("prod", "", "must be a mapping")])
    def test_what_is_wrong_is_told_by_its_field(self, text: str, field: str, message: str) -> None:
        [found] = invalid(f"{ONE}    kubernetes: {text}\n")
        assert found == (f"contexts.only.kubernetes{'.' if field else ''}{field}", message)


class TestTheContextInForce:
    def test_the_current_one_by_default(self, write: Write) -> None:
        assert active(write(TWO)).name == "staging"

    def test_the_only_one_needs_no_name(self, write: Write) -> None:
        assert active(write(ONE)).name == "only"

    def test_the_environment_names_another(self, write: Write) -> None:
        assert active(write(TWO), {"TRIAGE_CONTEXT": "prod"}).context.production

    def test_the_option_beats_the_environment(self, write: Write) -> None:
        assert active(write(TWO), {"TRIAGE_CONTEXT": "prod"}, context="staging").name == "staging"

    def test_an_unknown_one_lists_those_that_are_there(self, write: Write) -> None:
        with pytest.raises(ConfigError, match="no context prd") as caught:
            active(write(TWO), context="prd")
        assert caught.value.hint == "there are: staging, prod"

    def test_two_without_a_current_one_need_a_choice(self, write: Write) -> None:
        with pytest.raises(ConfigError, match="2 contexts and no current_context"):
            active(write(TWO.replace("current_context: staging\n", "")))

    def test_a_trailing_slash_of_the_url_is_dropped(self, write: Write) -> None:
        assert active(write(TWO)).context.prometheus.url == "http://staging.example:9090"

    @pytest.mark.parametrize("by", ["option", "environment"])
    def test_another_server_gets_none_of_the_credentials(self, write: Write, by: str) -> None:
        if by == "option":
            found = active(write(TWO), context="prod", prometheus_url="http://evil.example",
                           alertmanager_url="http://evil.example")
        else:
            found = active(write(TWO), {"TRIAGE_CONTEXT": "prod", "TRIAGE_PROMETHEUS_URL": "http://evil.example",
                                        "TRIAGE_ALERTMANAGER_URL": "http://evil.example"})
        assert found.context.alertmanager is not None
        for server in (found.context.prometheus, found.context.alertmanager):
            assert server == Endpoint(url="http://evil.example")

    def test_the_other_servers_keep_their_credentials(self, write: Write) -> None:
        found = active(write(TWO), context="prod", prometheus_url="http://other.example")
        assert found.context.alertmanager is not None
        assert found.context.alertmanager.basic_auth is not None

    def test_the_option_beats_the_environment_for_urls(self, write: Write) -> None:
        found = active(write(ONE), {"TRIAGE_PROMETHEUS_URL": "http://b.example"}, prometheus_url="http://a.example")
        assert found.context.prometheus.url == "http://a.example"

    @pytest.mark.parametrize(("environ", "option", "seconds"), [
        ({}, None, 10.0), ({"TRIAGE_INTERVAL": "3s"}, None, 3.0), ({"TRIAGE_INTERVAL": "3s"}, 2.0, 2.0),
    ])
    def test_the_interval_is_overridden_in_order(self, write: Write, environ: Mapping[str, str], option: float | None,
                                                 seconds: float) -> None:
        assert active(write(TWO), environ, context="prod", interval=option).context.interval == seconds

    def test_an_interval_that_is_none_is_an_error(self, write: Write) -> None:
        with pytest.raises(ConfigError, match="TRIAGE_INTERVAL is not a duration"):
            active(write(ONE), {"TRIAGE_INTERVAL": "often"})

    def test_an_interval_that_is_too_short_is_an_error(self, write: Write) -> None:
        with pytest.raises(ConfigError, match="too short"):
            active(write(ONE), interval=0.5)

    def test_notebooks_of_the_context_beat_the_common_ones(self, write: Write) -> None:
        file = write(TWO)
        assert active(file, context="prod").notebooks == (file.parent / "prod-models", Path("/srv/models"))
        assert active(file).notebooks == (file.parent / "models",)

    def test_notebooks_of_the_environment_and_the_option_beat_both(self, write: Write) -> None:
        environ = {"TRIAGE_NOTEBOOKS": f"/a{os.pathsep}/b"}
        assert active(write(TWO), environ).notebooks == (Path("/a"), Path("/b"))
        assert active(write(TWO), environ, notebooks=("/c",)).notebooks == (Path("/c"),)

    def test_without_a_file_a_url_is_enough(self, tmp_path: Path) -> None:
        found = activate(Overrides(prometheus_url="http://localhost:9090"), {"XDG_CONFIG_HOME": str(tmp_path)})
        assert (found.name, found.config_path, found.context.allow_write) == ("localhost:9090", None, False)

    def test_without_a_file_and_a_url_the_error_says_both_ways_out(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no configuration") as caught:
            activate(Overrides(), {"XDG_CONFIG_HOME": str(tmp_path)})
        assert "--prometheus" in caught.value.hint

    def test_without_a_file_no_context_can_be_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no context prod"):
            activate(Overrides(prometheus_url="http://localhost:9090", context="prod"),
                     {"XDG_CONFIG_HOME": str(tmp_path)})

    @pytest.mark.parametrize("url", ["localhost:9090", "http://u:p@x", "http://x.example\x1b]0;"])
    def test_a_bad_url_on_the_command_line_is_an_error_for_people(self, write: Write, url: str) -> None:
        with pytest.raises(ConfigError, match="the URL") as caught:
            active(write(ONE), prometheus_url=url)
        assert str(caught.value).isprintable()
