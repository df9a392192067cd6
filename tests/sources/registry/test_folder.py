"""A registry in a folder: ``registry.yaml`` as it lies there or as committed, and git tags in the style of GTO."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from triage.clock import ManualClock
from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import Document, DocumentKind, RegisteredModel, RegisteredVersion
from triage.sources.registry import git
from triage.sources.registry.folder import FolderClient, Survey

INDEX = """\
apiVersion: triage/v1alpha1
kind: ModelRegistry
models:
  fraud:
    description: card fraud
    aliases: {champion: "7", challenger: "8"}
    versions:
      - {version: "7", created: 2026-10-01, tags: {validation_status: approved, approved_by: model-risk}}
      - {version: "8", created: 2026-11-02, run: 5f3c, source: "s3://models/fraud/8", manifest: fraud/8/manifest.yaml,
         references: fraud/8/references.yaml}
  idle: {}
"""
MANIFEST = b"kind: ModelNotebook\n"


class Repository:
    """A git repository, with a clock that every commit and tag moves on by a minute."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.time = 1_790_000_000
        path.mkdir(exist_ok=True)
        self("init", "-q", "-b", "main")

    def __call__(self, *arguments: str) -> str:
        self.time += 60
        stamp = f"{self.time} +0000"
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", "ada"), ("EMAIL", "ada@example.org"), ("DATE", stamp))}
        quiet = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["git", "-C", str(self.path), *arguments], env={**os.environ, **who, **quiet}, check=True,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, name: str, content: str | bytes) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, **files: str) -> str:
        for name, content in files.items():
            self.write(name.replace("__", "/").replace("_yaml", ".yaml"), content)
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", "a commit\n\nvalidation_status: approved")
        return self("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "models")


def client(path: Path, ref: str | None = None) -> FolderClient:
    return FolderClient(path, ref, ManualClock())


async def model(path: Path, name: str = "fraud", ref: str | None = None) -> RegisteredModel:
    found = (await client(path, ref).models([name]))[name]
    assert isinstance(found, RegisteredModel), found
    return found


async def failure(path: Path, name: str = "fraud", ref: str | None = None) -> Failure:
    found = (await client(path, ref).models([name]))[name]
    assert isinstance(found, Failure), found
    return found


async def document(path: Path, version: str, kind: DocumentKind = DocumentKind.MANIFEST,
                   ref: str | None = None) -> Document | Failure | None:
    asked = client(path, ref)
    found = (await asked.models(["fraud"]))["fraud"]
    assert isinstance(found, RegisteredModel), found
    wanted = found.version(version)
    assert wanted is not None
    return await asked.document("fraud", wanted, kind)


async def test_an_index_is_read_as_it_lies_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(INDEX)
    found = await model(tmp_path)
    assert (found.description, found.aliases) == ("card fraud", {"champion": "7", "challenger": "8"})
    assert [(v.version, v.aliases, v.run_id, v.created_at) for v in found.versions] == [
        ("8", ("challenger",), "5f3c", 1793577600.0), ("7", ("champion",), "", 1790812800.0)]
    assert found.versions[1].approval("validation_status", "approved_by").by == "model-risk"
    assert found.as_of is None
    assert (await model(tmp_path, "idle")).versions == ()


async def test_many_models_are_one_reading(tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(INDEX)
    asked = client(tmp_path)
    found = await asked.models(["fraud", "idle", "nobody"])
    assert asked.requests_sent == 1
    missing = found["nobody"]
    assert isinstance(missing, Failure)
    assert (missing.kind, missing.hint) == (FailureKind.NOT_FOUND, "check spec.registry.name; there are: fraud, idle")


async def test_documents_lie_where_the_index_says(tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(INDEX)
    (tmp_path / "fraud/8").mkdir(parents=True)
    (tmp_path / "fraud/8/manifest.yaml").write_bytes(MANIFEST)
    found = await document(tmp_path, "8")
    assert isinstance(found, Document)
    assert found.content == MANIFEST
    assert found.sha256 == hashlib.sha256(MANIFEST).hexdigest()
    assert await document(tmp_path, "7") is None
    missing = await document(tmp_path, "8", DocumentKind.REFERENCES)
    assert isinstance(missing, Failure)
    assert missing.message == "registry.yaml names fraud/8/references.yaml, which is not there"


async def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "models"
    (folder / "fraud/8").mkdir(parents=True)
    (folder / "registry.yaml").write_text(INDEX)
    (folder / "fraud/8/manifest.yaml").symlink_to(tmp_path / "secret")
    found = await document(folder, "8")
    assert isinstance(found, Failure)
    assert "leads out of the folder" in found.message


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", "a//b", ".git/config", "a\\b"])
async def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "registry.yaml").write_text(INDEX.replace("fraud/8/manifest.yaml", f'"{path}"'.replace("\\", "\\\\")))
    assert "no path below the folder" in (await failure(tmp_path)).message


@pytest.mark.parametrize(("content", "said"), [
    (b"kind: [", "is not YAML"), (b"\xff", "is not UTF-8"), (b"", "is empty"),
    (b"x" * 1_100_000, "more than 1,000,000"),
    (INDEX.replace('version: "8"', 'version: "7"').encode(), "7"), (INDEX.replace("idle", "fraud").encode(), "fraud"),
    (INDEX.replace("aliases:", "alias:").encode(), "alias")])
async def test_an_index_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "registry.yaml").write_bytes(content)
    found = await failure(tmp_path)
    assert said in found.message
    assert found.hint


async def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    assert (await failure(tmp_path / "nowhere")).message.startswith("there is no folder")
    found = await failure(tmp_path)
    assert found.message.endswith("holds no registry.yaml and is no git repository")
    (tmp_path / "registry.yaml").mkdir()
    assert (await failure(tmp_path)).kind is FailureKind.FORBIDDEN


async def test_a_pipe_in_place_of_the_index_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "registry.yaml")
    async with asyncio.timeout(2):
        assert (await failure(tmp_path)).kind is FailureKind.FORBIDDEN


async def test_at_a_ref_nobodys_unsaved_change_counts(repository: Repository) -> None:
    commit = repository.commit(registry_yaml=INDEX, fraud__8__manifest_yaml=MANIFEST.decode())
    repository.write("registry.yaml", INDEX.replace('champion: "7"', 'champion: "8"'))
    repository.write("fraud/8/manifest.yaml", "changed")
    assert (await model(repository.path)).aliases["champion"] == "8"
    assert (await model(repository.path, ref="main")).aliases["champion"] == "7"
    found = await document(repository.path, "8", ref="main")
    assert isinstance(found, Document)
    assert (found.content, found.where) == (MANIFEST, f"fraud/8/manifest.yaml at {commit[:12]}")
    assert await document(repository.path, "8", DocumentKind.REFERENCES, ref="main") is None


async def test_the_folder_may_lie_inside_a_repository(repository: Repository) -> None:
    repository.commit(ml__registry_yaml=INDEX, ml__fraud__8__manifest_yaml=MANIFEST.decode())
    folder = repository.path / "ml"
    assert (await model(folder, ref="main")).aliases["champion"] == "7"
    assert isinstance(await document(folder, "8", ref="main"), Document)


async def test_a_bare_repository_is_read_too(repository: Repository, tmp_path: Path) -> None:
    repository.commit(registry_yaml=INDEX)
    repository("tag", "-a", "fraud@v1", "-m", "first")
    bare = tmp_path / "bare.git"
    repository("clone", "-q", "--bare", str(repository.path), str(bare))
    assert (await model(bare, ref="main")).aliases["champion"] == "7"
    assert [v.version for v in (await model(bare)).versions] == ["v1"]


async def test_a_ref_that_is_not_there_is_named(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    assert "has no branch, tag or commit origin/main" in (await failure(repository.path, ref="origin/main")).message
    assert (await failure(repository.path, ref="main")).message == "there is no registry.yaml in main"
    assert (await failure(tmp_path, ref="main")).message.endswith("is no git repository")


async def test_the_age_of_a_clone_is_told(repository: Repository, tmp_path: Path) -> None:
    repository.commit(registry_yaml=INDEX)
    clone = tmp_path / "clone"
    repository("clone", "-q", str(repository.path), str(clone))
    assert (await model(clone, ref="origin/main")).as_of is None
    fetched(clone, repository, 1_795_000_000)
    found = await model(clone, ref="origin/main")
    assert (found.as_of, found.fetch_failed_at) == (1_795_000_000, None)


def fetched(clone: Path, repository: Repository, at: float) -> None:
    """Fetch into a clone or a worktree of one, as of ``at``."""
    repository("-C", str(clone), "fetch", "-q")
    head = Path(clone, repository("-C", str(clone), "rev-parse", "--git-path", "FETCH_HEAD"))
    os.utime(head, (at, at))


async def test_a_fetch_that_failed_makes_no_old_clone_look_new(repository: Repository, tmp_path: Path) -> None:
    repository.commit(registry_yaml=INDEX)
    repository("tag", "-a", "fraud@v1", "-m", "first")
    clone = tmp_path / "clone"
    repository("clone", "-q", str(repository.path), str(clone))
    fetched(clone, repository, 1_795_000_000)
    repository.path.rename(tmp_path / "gone")
    with pytest.raises(subprocess.CalledProcessError):
        Repository(tmp_path / "gone")("-C", str(clone), "fetch", "-q")
    (clone / "registry.yaml").unlink()
    for ref in ("origin/main", None):
        found = await model(clone, ref=ref)
        assert found.as_of is None
        assert found.fetch_failed_at == (clone / ".git/FETCH_HEAD").stat().st_mtime
    survey = await client(clone, "origin/main").survey()
    assert isinstance(survey, Survey)
    assert (survey.as_of, survey.fetch_failed_at) == (found.as_of, found.fetch_failed_at)


async def test_what_was_fetched_in_any_worktree_is_in_all_of_them(repository: Repository, tmp_path: Path) -> None:
    repository.commit(registry_yaml=INDEX)
    clone, beside = tmp_path / "clone", tmp_path / "beside"
    repository("clone", "-q", str(repository.path), str(clone))
    fetched(clone, repository, 1_795_000_000)
    repository("-C", str(clone), "worktree", "add", "-q", str(beside))
    fetched(beside, repository, 1_795_000_500)
    for place in (clone, beside):
        assert (await model(place, ref="origin/main")).as_of == 1_795_000_500
    (clone / ".git/FETCH_HEAD").write_bytes(b"")
    os.utime(clone / ".git/FETCH_HEAD", (1_795_000_100, 1_795_000_100))
    found = await model(clone, ref="origin/main")
    assert (found.as_of, found.fetch_failed_at) == (1_795_000_500, None)


async def test_tags_register_versions_and_give_stages(repository: Repository) -> None:
    first = repository.commit(fraud__manifest_yaml="one\n")
    repository("tag", "-a", "fraud@v1.0.0", "-m", "first\n\nrun: 5f3c")
    repository("tag", "-a", "fraud#champion#1", "-m", "validation_status: approved", "-m", "approved_by: model-risk")
    registered_at = repository.time
    second = repository.commit(fraud__manifest_yaml="two\n")
    repository("tag", "-a", "fraud@v2.0.0", "-m", "second")
    repository("tag", "-a", "fraud#challenger#2", "-m", "try it")
    repository("tag", "unrelated-1.2")
    found = await model(repository.path)
    assert found.aliases == {"champion": "v1.0.0", "challenger": "v2.0.0"}
    assert [(v.version, v.source, v.aliases, v.run_id) for v in found.versions] == [
        ("v2.0.0", second, ("challenger",), ""), ("v1.0.0", first, ("champion",), "5f3c")]
    approval = found.versions[1].approval("validation_status", "approved_by")
    assert (str(approval.status), approval.by) == ("approved", "model-risk")
    assert str(found.versions[0].approval("validation_status", "approved_by").status) == "none"
    assert found.versions[1].created_at == registered_at - 60
    assert found.versions[1].tagged_at == {"run": registered_at - 60, "validation_status": registered_at,
                                           "approved_by": registered_at}
    for version, content in (("v1.0.0", b"one\n"), ("v2.0.0", b"two\n")):
        held = await document(repository.path, version)
        assert isinstance(held, Document)
        assert held.content == content
    assert await document(repository.path, "v1.0.0", DocumentKind.REFERENCES) is None


async def test_a_tag_of_a_tag_registers_the_commit_at_the_end(repository: Repository) -> None:
    commit = repository.commit(fraud__manifest_yaml="one\n")
    repository("tag", "-a", "released", "-m", "inner")
    repository("tag", "-a", "released-twice", "-m", "between", "released")
    repository("tag", "-a", "fraud@v1", "-m", "outer", "released-twice")
    repository("tag", "-a", "fraud#champion#1", "-m", "validation_status: approved", "released")
    found = await model(repository.path)
    assert [(v.version, v.source, v.aliases) for v in found.versions] == [("v1", commit, ("champion",))]
    held = await document(repository.path, "v1")
    assert isinstance(held, Document)
    assert held.content == b"one\n"


async def test_the_latest_tag_of_a_stage_counts_and_tags_can_be_taken_back(repository: Repository) -> None:
    repository.commit()
    repository("tag", "-a", "fraud@v1", "-m", "1")
    repository("tag", "-a", "fraud#champion#1", "-m", "1")
    repository.commit()
    repository("tag", "-a", "fraud@v2", "-m", "2")
    repository("tag", "-a", "fraud#champion#2", "-m", "2")
    assert (await model(repository.path)).aliases == {"champion": "v2"}
    repository("tag", "-a", "fraud#champion#3", "-m", "back", "HEAD~1")
    assert (await model(repository.path)).aliases == {"champion": "v1"}
    repository("tag", "-a", "fraud#champion!#4", "-m", "none")
    repository("tag", "-a", "fraud@v2!#5", "-m", "not this one")
    found = await model(repository.path)
    assert found.aliases == {}
    assert [v.version for v in found.versions] == ["v1"]


async def test_a_stage_of_a_commit_that_is_no_version_names_the_commit(repository: Repository) -> None:
    commit = repository.commit()
    repository("tag", "-a", "fraud#champion#1", "-m", "oops")
    assert (await model(repository.path)).aliases == {"champion": commit[:12]}


async def test_the_message_of_a_commit_approves_nothing(repository: Repository) -> None:
    repository.commit()
    repository("tag", "fraud@v1")
    assert (await model(repository.path)).versions[0].tags == {}


async def test_hostile_tag_messages_are_harmless(repository: Repository) -> None:
    repository.commit()
    repository("tag", "-a", "fraud@v1", "-m", "approved_by: \x1b]52;c;aGk=\x07[red]")
    assert "\x1b" not in (await model(repository.path)).versions[0].tags["approved_by"]


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd"])
async def test_a_manifest_out_of_the_repository_is_refused(repository: Repository, path: str) -> None:
    repository.commit()
    repository("tag", "-a", "fraud@v1", "-m", f"manifest: {path}")
    found = await document(repository.path, "v1")
    assert isinstance(found, Failure)
    assert "names no path below the folder" in found.message


async def test_a_repository_without_tags_holds_nothing_and_says_how_to_begin(repository: Repository) -> None:
    repository.commit()
    found = await failure(repository.path)
    assert found.kind is FailureKind.NOT_FOUND
    assert "git tag -a" in found.hint


async def test_nothing_that_the_repository_names_is_run(repository: Repository, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {trap}\n")
    program.chmod(0o755)
    repository.commit(registry_yaml=INDEX, fraud__8__manifest_yaml="x", _gitattributes="*.yaml diff=evil filter=evil\n")
    repository.write(".gitattributes", "*.yaml diff=evil filter=evil\n")
    repository("tag", "-a", "fraud@v1", "-m", "1")
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "gpg.program", "diff.evil.textconv",
                "filter.evil.smudge", "core.editor", "alias.for-each-ref", "alias.cat-file"):
        repository("config", key, str(program))
    hooks = repository.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "reference-transaction", "post-checkout"):
        (hooks / name).write_text(program.read_text())
        (hooks / name).chmod(0o755)
    assert isinstance(await document(repository.path, "8", ref="main"), Document)
    (repository.path / "registry.yaml").unlink()
    assert isinstance(await document(repository.path, "v1"), Document | None)
    assert not trap.exists()


async def test_variables_of_git_do_not_lead_elsewhere(repository: Repository, tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit(registry_yaml=INDEX)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert (await model(repository.path, ref="main")).aliases["champion"] == "7"


async def test_without_the_program_git_it_says_so(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit()
    monkeypatch.setenv("PATH", "/nowhere")
    found = await failure(repository.path)
    assert (found.message, found.hint) == ("the program git is not installed here",
                                           "install git, or keep the registry in registry.yaml")


@pytest.fixture
def fake_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in place of git."""
    def put(script: str) -> None:
        program = tmp_path / "bin/git"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return put


async def test_a_git_that_hangs_is_ended(fake_git: Callable[[str], None], tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    fake_git(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    monkeypatch.setattr(git, "TIMEOUT_SECONDS", 0.3)
    began = time.monotonic()
    found = await git.run(tmp_path, "status")
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.TIMEOUT
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_git_that_prints_without_end_is_ended(fake_git: Callable[[str], None], tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    fake_git("exec yes")
    monkeypatch.setattr(git, "MAX_BYTES", 1_000_000)
    found = await git.run(tmp_path, "for-each-ref")
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.TOO_LARGE


async def test_a_repository_of_somebody_else_says_what_to_do(fake_git: Callable[[str], None], tmp_path: Path) -> None:
    fake_git("echo \"fatal: detected dubious ownership in repository at '/srv/models'\" >&2; exit 128")
    found = await git.run(tmp_path, "for-each-ref")
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.FORBIDDEN
    assert "safe.directory" in found.hint


async def test_other_errors_of_git_are_told(fake_git: Callable[[str], None], tmp_path: Path) -> None:
    fake_git("printf 'fatal: loose object \\033[31m is corrupt\\n' >&2; exit 128")
    found = await git.run(tmp_path, "for-each-ref")
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.INTERNAL
    assert "\x1b" not in found.message


async def test_a_document_may_be_asked_for_first(tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(INDEX)
    (tmp_path / "fraud/8").mkdir(parents=True)
    (tmp_path / "fraud/8/manifest.yaml").write_bytes(b"x" * 1_000_001)
    found = await client(tmp_path).document("fraud", RegisteredVersion("8", None), DocumentKind.MANIFEST)
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.TOO_LARGE
    assert await client(tmp_path).document("fraud", RegisteredVersion("99", None), DocumentKind.MANIFEST) is None
