"""The linter's rules about who moves traffic: what cannot be acted on when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from triage.errors import Finding
from triage.notebook.load import Notebook


def _alias(notebook: Notebook) -> Iterator[Finding]:
    spec = notebook.manifest.spec
    if spec.rollout is None or spec.rollout.kind != "mlflow":
        return
    if spec.registry is None or spec.registry.kind != "mlflow":
        yield notebook.document.finding(("spec", "rollout", "kind"),
                                        "needs the model in MLflow whose alias is followed",
                                        "add spec.registry: {kind: mlflow, name: ...}", "alias-nowhere", "warning")
    elif spec.rollout.name == spec.registry.canary_alias:
        yield notebook.document.finding(("spec", "rollout", "name"), "is the alias of the version under trial",
                                        f"name the one that serves, such as {spec.registry.stable_alias}",
                                        "alias-of-the-trial", "warning")


def _servers(notebook: Notebook) -> Iterator[Finding]:
    spec = notebook.manifest.spec
    good = spec.rollback.last_known_good
    if spec.rollout is None or not spec.rollout.servers:
        return
    if good is not None and good not in spec.rollout.servers:
        yield notebook.document.finding(("spec", "rollback", "last_known_good"),
                                        f"has no server in rollout.servers: {good}", "name its servers: nothing "
                                        "else can be gone back to", "nowhere-to-go-back", "warning")
    if len(spec.rollout.servers) == 1:
        yield notebook.document.finding(("spec", "rollout", "servers"), "names the servers of one version only",
                                        "add those of the version to go back to", "nowhere-to-go-back", "warning")


CHECKS: Sequence[Callable[[Notebook], Iterator[Finding]]] = (_alias, _servers)
