"""What is registered, approved and aliased, against what serves: each contradiction is found, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pytest

from triage import strict_yaml
from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import ApprovalStatus, Document, DocumentKind, RegisteredModel, RegisteredVersion
from triage.notebook.manifest import Manifest
from triage.signals.lineage import described, lineage, reasons
from triage.signals.lineage_model import Lineage, LineageFinding, LineageKind
from triage.signals.model import Versions, VersionState
from triage.signals.promise import MOST_DIFFERENCES, Promise, PromiseState, compare_promise, manifest_differences
from triage.signals.reading import Quality, Reading, Urgency, Verdict

K = LineageKind
NOW = 1_800_000_000.0
TEXT = """\
apiVersion: triage/v1alpha1
kind: ModelNotebook
metadata: {{name: fraud, version: "{version}", owners: [{{name: team, role: on-call}}], criticality: {criticality}}}
spec:
  registry: {{kind: mlflow, name: fraud}}
  rollback: {{last_known_good: "7"}}
  slos:
    - {{name: success, sli: {{good: 'ok_total', total: 'all_total'}}, objective: {objective}}}
"""
APPROVED = {"validation_status": "approved", "approved_by": "model-risk"}


def text(version: str = "8", criticality: str = "revenue", objective: str = "99.9") -> str:
    return TEXT.format(version=version, criticality=criticality, objective=objective)


def manifest(content: str | None = None, **fields: str) -> Manifest:
    return strict_yaml.validate(strict_yaml.parse(content or text(**fields), "manifest.yaml"), Manifest)


def registered(tags: Mapping[str, Mapping[str, str]] | None = None, *, champion: str | None = "7",
               challenger: str | None = "8", name: str = "fraud", **changes: object) -> RegisteredModel:
    """Versions 6, 7 and 8, all approved unless ``tags`` says otherwise."""
    aliases = {a: v for a, v in (("champion", champion), ("challenger", challenger)) if v is not None}
    versions = tuple(RegisteredVersion(v, NOW - 86400, tags=(tags or {}).get(v, APPROVED),
                                       aliases=tuple(a for a, of in aliases.items() if of == v))
                     for v in ("8", "7", "6"))
    return replace(RegisteredModel(name, versions, aliases, NOW - 5), **changes)  # type: ignore[arg-type]


def serving(shares: Mapping[str, float], *, arm: str = "canary", quality: Quality = Quality.OK) -> Versions:
    """The first version is stable, the second on trial; all since an hour ago."""
    arms = ("stable", arm, "", "")
    return Versions("traffic", tuple(
        VersionState(version, arms[i], Reading(share, "ratio", quality, 1000.0, 300.0, NOW), NOW - 3600, NOW)
        for i, (version, share) in enumerate(shares.items())))


USUAL = serving({"7": 0.9, "8": 0.1})


def found(model: RegisteredModel | Failure | None = None, traffic: Versions = USUAL, promise: Promise | None = None,
          **fields: str) -> Lineage:
    return lineage(manifest(**fields), model if model is not None else registered(), traffic, NOW, promise)


def only(state: Lineage) -> LineageFinding:
    assert len(state.findings) == 1, state.findings
    return state.findings[0]


def test_where_everything_agrees_nothing_is_found() -> None:
    state = found()
    assert state.findings == ()
    assert state.known
    assert state.verdict is Verdict.PASS
    assert [(r.version, r.arm, r.aliases, r.approval.status) for r in state.rows] == [
        ("7", "stable", ("champion",), ApprovalStatus.APPROVED),
        ("8", "canary", ("challenger",), ApprovalStatus.APPROVED), ("6", "", (), ApprovalStatus.APPROVED)]


@pytest.mark.parametrize(("tags", "said"), [
    ({}, "it has no tag validation_status"), ({"validation_status": "pending"}, "validation_status is pending"),
    ({"validation_status": "looks fine"}, "validation_status is looks fine"), ({"validation_status": " "}, "no tag")])
def test_a_version_that_serves_without_approval_is_a_ticket(tags: Mapping[str, str], said: str) -> None:
    finding = only(found(registered({"8": tags})))
    assert (finding.kind, finding.verdict, finding.urgency) == (K.NOT_APPROVED, Verdict.WARN, Urgency.TICKET)
    assert finding.text.startswith("version 8 (canary) takes 10 % of the requests without approval")
    assert said in finding.text
    assert (finding.version, finding.since) == ("8", NOW - 3600)


@pytest.mark.parametrize("criticality", ["safety", "regulated"])
def test_where_reviews_are_the_law_it_is_a_page(criticality: str) -> None:
    finding = only(found(registered({"8": {}}), criticality=criticality))
    assert (finding.verdict, finding.urgency) == (Verdict.FAIL, Urgency.PAGE)


def test_a_shadow_is_shown_and_calls_nobody() -> None:
    state = found(registered({"8": {}}), serving({"7": 0.9, "8": 0.1}, arm="shadow"), criticality="regulated")
    assert only(state).urgency is Urgency.NONE
    assert reasons(state) == ()


@pytest.mark.parametrize("word", ["approved", "Approved", "APPROVED ", "passed", "accepted"])
def test_words_for_approval(word: str) -> None:
    assert found(registered({"8": {"validation_status": word}})).findings == ()


def test_a_withdrawn_version_that_serves_fails_with_the_reason() -> None:
    tags = {"validation_status": "withdrawn", "approved_by": "ml-lead", "withdrawn_reason": "leaks labels"}
    finding = only(found(registered({"8": tags})))
    assert (finding.kind, finding.verdict, finding.urgency) == (K.REFUSED, Verdict.FAIL, Urgency.TICKET)
    assert finding.text.endswith("was withdrawn by ml-lead: leaks labels")


def test_a_version_that_nobody_registered_is_found() -> None:
    finding = only(found(traffic=serving({"7": 0.9, "8": 0.08, "9": 0.02})))
    assert (finding.kind, finding.version, finding.since) == (K.UNKNOWN_VERSION, "9", NOW - 3600)
    assert "takes 2 % of the requests, and the registry does not have it" in finding.text


def test_it_may_exist_where_not_all_versions_were_read() -> None:
    kinds = {f.kind for f in found(registered(complete=False), serving({"7": 0.9, "9": 0.1}, arm="")).findings}
    assert K.UNKNOWN_VERSION not in kinds


def test_an_alias_that_moved_without_the_servers_is_found() -> None:
    finding = only(found(registered(champion="8", challenger=None), serving({"7": 1.0}), version="7"))
    assert (finding.kind, finding.version, finding.since) == (K.ALIAS_NOT_SERVING, "8", None)
    assert finding.text == ("the alias champion names version 8, which takes no requests: version 7 (stable) takes "
                            "100 % of the requests")


def test_servers_that_moved_without_the_alias_are_found() -> None:
    finding = only(found(registered(champion="7", challenger=None), serving({"8": 1.0})))
    assert (finding.kind, finding.version) == (K.ALIAS_NOT_SERVING, "7")


def test_a_canary_with_most_of_the_traffic_is_no_contradiction() -> None:
    assert found(traffic=serving({"8": 0.6, "7": 0.4}, arm="")).findings == ()


def test_a_rollout_without_a_challenger_is_shown_only() -> None:
    finding = only(found(registered(challenger=None), serving({"8": 0.6, "7": 0.4}, arm="")))
    assert (finding.kind, finding.urgency) == (K.ALIAS_BEHIND, Urgency.NONE)


def test_another_version_on_trial_than_the_challenger_is_found() -> None:
    finding = only(found(registered(challenger="6")))
    assert (finding.kind, finding.version) == (K.ALIAS_NOT_SERVING, "6")
    assert "version 8 (canary) is on trial" in finding.text


def test_a_challenger_that_waits_is_no_contradiction() -> None:
    assert found(traffic=serving({"7": 1.0}), version="7").findings == ()


def test_a_missing_stable_alias_is_found() -> None:
    finding = only(found(registered(champion=None)))
    assert finding.kind is K.ALIAS_MISSING
    assert "deleting a version drops its aliases" in finding.hint


def test_an_alias_of_a_version_that_is_not_there_is_found() -> None:
    model = registered()
    state = found(replace(model, aliases={**model.aliases, "old": "3"}))
    assert (only(state).kind, only(state).version) == (K.ALIAS_DANGLING, "3")


def test_a_version_whose_registration_is_not_complete_is_found() -> None:
    model = registered()
    versions = tuple(replace(v, status="FAILED_REGISTRATION") if v.version == "8" else v for v in model.versions)
    assert only(found(replace(model, versions=versions))).kind is K.NOT_READY


def test_a_rollback_target_that_was_withdrawn_is_found() -> None:
    tags = {"validation_status": "withdrawn", "withdrawn_reason": "does not start any more"}
    finding = only(found(registered({"7": tags}, champion="8", challenger=None), serving({"8": 1.0})))
    assert finding.kind is K.ROLLBACK_TARGET
    assert finding.text == ("rollback.last_known_good names version 7, which was withdrawn: does not start any more")


def test_a_rollback_target_that_is_not_registered_is_found() -> None:
    model = registered(champion="8", challenger=None)
    model = replace(model, versions=tuple(v for v in model.versions if v.version != "7"))
    assert only(found(model, serving({"8": 1.0}))).kind is K.ROLLBACK_TARGET


def test_a_model_that_is_not_registered_is_a_ticket() -> None:
    state = found(Failure(FailureKind.NOT_FOUND, "the registry has no model fraud", "check spec.registry.name"))
    assert (only(state).kind, only(state).urgency, state.known) == (K.NOT_REGISTERED, Urgency.TICKET, False)


def test_a_registry_that_is_gone_makes_nothing_known_and_calls_nobody() -> None:
    state = found(Failure(FailureKind.CONNECT, "mlflow.example:5000 refuses connections", "is MLflow running?"))
    assert (only(state).verdict, only(state).urgency, state.verdict) == (Verdict.UNKNOWN, Urgency.NONE, Verdict.UNKNOWN)
    assert not state.known
    assert reasons(state) == ()


def test_before_the_first_answer_and_without_a_registry_nothing_is_found() -> None:
    assert lineage(manifest(), None, USUAL, NOW) == Lineage(False, (), (), None, None)
    unpromised = manifest(text().replace("  registry: {kind: mlflow, name: fraud}\n", ""))
    assert lineage(unpromised, registered(), USUAL, NOW) == Lineage(False, (), (), None, None)


@pytest.mark.parametrize("quality", [Quality.STALE, Quality.ERROR, Quality.NO_DATA, Quality.PARTIAL, Quality.SUSPECT])
def test_traffic_that_cannot_be_read_is_not_compared(quality: Quality) -> None:
    state = found(registered({"8": {}}, champion="8"), serving({"7": 0.9, "8": 0.1}, quality=quality))
    assert (only(state).kind, only(state).verdict) == (K.NOT_KNOWN, Verdict.UNKNOWN)


def test_a_model_without_traffic_contradicts_nothing() -> None:
    assert found(traffic=serving({"7": 0.0}, quality=Quality.NO_TRAFFIC)).findings == ()


def test_series_without_a_version_cannot_be_compared() -> None:
    finding = only(found(traffic=serving({"": 1.0})))
    assert (finding.kind, finding.verdict) == (K.VERSION_NOT_TOLD, Verdict.UNKNOWN)
    assert "metrics.version_label" in finding.hint


def test_a_notebook_of_another_version_is_shown() -> None:
    finding = only(found(version="6"))
    assert (finding.kind, finding.urgency) == (K.PROMISE_ELSEWHERE, Urgency.NONE)
    assert finding.text == "the notebook describes version 6, but versions 7 and 8 take the requests"


def test_an_old_clone_says_so() -> None:
    finding = only(found(registered(as_of=NOW - 5 * 86400)))
    assert (finding.kind, finding.verdict, finding.since) == (K.OLD_COPY, Verdict.UNKNOWN, NOW - 5 * 86400)


def test_a_clone_whose_last_fetch_failed_says_so_instead_of_an_age() -> None:
    finding = only(found(registered(as_of=NOW - 5 * 86400, fetch_failed_at=NOW - 1800)))
    assert (finding.kind, finding.verdict, finding.since) == (K.OLD_COPY, Verdict.UNKNOWN, NOW - 1800)
    assert "30 min ago, failed or is not over: how old it is cannot be told" in finding.text


@pytest.mark.parametrize(("label", "name"), [
    ("fraud-r8", "fraud"), ("fraud-predictor-00008", "fraud"), ("v8", "fraud"), ("8", "fraud"), ("fraud.v8", "fraud"),
    ("fraud_8", "fraud")])
def test_other_spellings_of_a_version_are_known(label: str, name: str) -> None:
    state = found(registered(name=name), serving({"7": 0.9, label: 0.1}))
    assert state.findings == ()
    assert (state.rows[1].version, state.rows[1].served_as) == ("8", label)


@pytest.mark.parametrize("label", ["fraud-7d9f8b6c5-8", "sha-abc8", "1.8", "08", "fraud8", "fraudulent-8x", "r8"])
def test_a_number_is_not_taken_from_anything(label: str) -> None:
    assert K.UNKNOWN_VERSION in {f.kind for f in found(traffic=serving({"7": 0.9, label: 0.1})).findings}


def test_a_version_may_say_under_which_name_it_serves() -> None:
    tags = {"8": {**APPROVED, "triage.serves_as": "sha-abc"}}
    assert found(registered(tags), serving({"7": 0.9, "sha-abc": 0.1})).findings == ()


def test_most_urgent_first() -> None:
    tags = {"8": {}, "7": {"validation_status": "rejected"}}
    state = found(registered(tags, as_of=NOW - 5 * 86400), serving({"7": 0.9, "8": 0.1}))
    assert [f.kind for f in state.findings] == [K.REFUSED, K.NOT_APPROVED, K.ROLLBACK_TARGET, K.OLD_COPY]
    assert [r.subject for r in reasons(state)] == ["7", "8", "7"]
    assert state.verdict is Verdict.FAIL


def test_rows_are_bounded() -> None:
    model = RegisteredModel("fraud", tuple(RegisteredVersion(str(n), None) for n in range(500, 0, -1)), {}, NOW)
    state = found(model)
    assert len(state.rows) == 6
    assert state.others == 494


def sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def compared(on_disk: str, there: str | None, recorded: str = "") -> Promise:
    document = None if there is None else Document(DocumentKind.MANIFEST, there.encode(), "artifact manifest.yaml")
    return compare_promise(on_disk.encode(), manifest(on_disk),
                           RegisteredVersion("8", None, manifest_sha256=recorded), document)


@pytest.mark.parametrize(("there", "recorded", "state"), [
    (text(), "", PromiseState.SAME), (text(), sha(text()), PromiseState.SAME), (None, sha(text()), PromiseState.SAME),
    (None, "", PromiseState.NOT_RECORDED), (f"# a remark\n{text()}", "", PromiseState.LAYOUT),
    (text(objective="99.5"), "", PromiseState.DIFFERS), (None, "0" * 64, PromiseState.DIFFERS),
    (text(), "0" * 64, PromiseState.ALTERED), ("kind: [", "", PromiseState.UNREADABLE),
    ("kind: ModelNotebook", "", PromiseState.UNREADABLE)])
def test_the_manifest_on_disk_against_the_registered_one(there: str | None, recorded: str, state: PromiseState) -> None:
    assert compared(text(), there, recorded).state is state


def test_a_registered_manifest_says_what_the_notebooks_file_was() -> None:
    pinned = text().replace("spec:\n", f"spec:\n  notebook: {{path: notebook.ipynb, sha256: {'a' * 64}}}\n", 1)
    assert compared(text(), pinned).notebook_sha256 == "a" * 64
    assert compared(text(), pinned, "0" * 64).notebook_sha256 == ""
    assert compared(text(), text(objective="99.5")).notebook_sha256 == ""


def test_a_manifest_that_cannot_be_fetched_is_compared_by_its_digest() -> None:
    gone = Failure(FailureKind.TIMEOUT, "no answer within 10 s")
    book = manifest()
    with_digest = RegisteredVersion("8", None, manifest_sha256=sha(text()))
    assert compare_promise(text().encode(), book, with_digest, gone).state is PromiseState.SAME
    without = compare_promise(text().encode(), book, RegisteredVersion("8", None), gone)
    assert (without.state, without.note) == (PromiseState.UNREADABLE, "timeout: no answer within 10 s")


def test_text_that_is_not_utf_8_is_unreadable() -> None:
    document = Document(DocumentKind.MANIFEST, b"\xff\xfe", "artifact triage/manifest.yaml")
    promise = compare_promise(b"", manifest(), RegisteredVersion("8", None), document)
    assert (promise.state, promise.note) == (PromiseState.UNREADABLE, "artifact triage/manifest.yaml is not UTF-8 text")


def test_the_promise_you_read_is_not_the_one_that_was_deployed() -> None:
    finding = only(found(promise=compared(text(), text(objective="99.5"))))
    assert (finding.kind, finding.urgency) == (K.PROMISE_DIFFERS, Urgency.TICKET)
    assert finding.text == ("the promise you read is not the one that was deployed: manifest.yaml differs from the one "
                            "registered with version 8 in spec.slos[success].objective (99.9 on disk, 99.5 registered)")


def test_with_a_digest_alone_the_digests_are_told() -> None:
    assert f"({sha(text())[:12]} on disk, 000000000000 registered)" in only(
        found(promise=compared(text(), None, "0" * 64))).text


def test_a_registered_manifest_that_was_altered_is_found() -> None:
    assert only(found(promise=compared(text(), text(objective="99.5"), "0" * 64))).kind is K.PROMISE_ALTERED


@pytest.mark.parametrize("there", [text(), f"# a remark\n{text()}", None])
def test_the_same_promise_and_none_recorded_are_no_findings(there: str | None) -> None:
    assert found(promise=compared(text(), there)).findings == ()


def test_fields_that_one_side_does_not_set_are_told() -> None:
    more = text() + "  runbook: runbook.md\n  approvals: [{role: risk, by: a, at: 2026-11-01, status: approved}]\n"
    differences = manifest_differences(manifest(more), manifest())
    assert [(d.path, d.registered) for d in differences] == [("spec.runbook", ""), ("spec.approvals", "[]")]
    assert differences[1].on_disk.startswith("[{role: risk, by: a")


def test_differences_are_bounded() -> None:
    many = text() + "".join(f"    - {{name: s{n}, sli: {{good: a, total: b}}}}\n" for n in range(80))
    assert len(manifest_differences(manifest(many), manifest())) == MOST_DIFFERENCES


def test_the_version_that_the_notebook_describes() -> None:
    version = described(manifest(version="v8"), registered())
    assert version is not None
    assert version.version == "8"
    assert described(manifest(version="99"), registered()) is None
