"""What Alertmanager holds: alerts, fingerprints, groups, silences over them."""

from __future__ import annotations

import pytest

from triage.lab.alerting.book import AlertBook, fingerprint
from triage.lab.alerting.matchers import parse_matcher
from triage.lab.alerting.notices import Notice
from triage.lab.alerting.routing import EVERY_LABEL, Route
from triage.lab.alerting.silences import SilenceDraft


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


def notice(labels: dict[str, str], starts_at: float = 900.0, ends_at: float = 1240.0, **annotations: str) -> Notice:
    return Notice(labels, annotations, starts_at, ends_at)


@pytest.mark.parametrize(("labels", "expected"), [
    ({"alertname": "B", "model": "m", "severity": "info"}, "2f147f74b64c6293"),
    ({"x": "1"}, "7355725717cbac0c"),
    ({"q": 'a"b\\c\nd', "alertname": "W"}, "6e8128851fffc158"),
    ({"alertname": "F"}, "d2b4efc389cee2f4"),
])
def test_a_fingerprint_is_the_one_that_alertmanager_gave(labels: dict[str, str], expected: str) -> None:
    assert fingerprint(labels) == expected


def test_an_alert_is_held_until_its_end() -> None:
    watch = Watch()
    book = AlertBook(watch)
    book.receive([notice({"alertname": "A", "model": "fraud"})])
    [alert] = book.alerts()
    assert (alert.starts_at, alert.ends_at, alert.updated_at, alert.receivers) == (900.0, 1240.0, 1000.0, ("on-call",))
    watch.at = 1240.0
    assert book.alerts() == []


def test_an_alert_that_is_told_of_again_lives_longer_and_keeps_its_beginning() -> None:
    watch = Watch()
    book = AlertBook(watch)
    book.receive([notice({"alertname": "A"}, s="old")])
    watch.at = 1100.0
    book.receive([notice({"alertname": "A"}, 950.0, 1340.0, s="new")])
    [alert] = book.alerts()
    assert (alert.starts_at, alert.ends_at, alert.updated_at) == (900.0, 1340.0, 1100.0)
    assert alert.annotations == {"s": "new"}


def test_an_alert_that_comes_back_later_begins_anew() -> None:
    watch = Watch()
    book = AlertBook(watch)
    book.receive([notice({"alertname": "A"}, 900.0, 1000.0)])
    watch.at = 1500.0
    book.receive([notice({"alertname": "A"}, 1450.0, 1700.0)])
    assert book.alerts()[0].starts_at == 1450.0


def test_a_resolved_alert_is_gone() -> None:
    book = AlertBook(Watch())
    book.receive([notice({"alertname": "A"})])
    book.receive([notice({"alertname": "A"}, 900.0, 990.0)])
    assert book.alerts() == []


def test_empty_labels_do_not_count() -> None:
    book = AlertBook(Watch())
    book.receive([notice({"alertname": "F", "model": ""})])
    assert (book.alerts()[0].labels, book.alerts()[0].fingerprint) == ({"alertname": "F"}, "d2b4efc389cee2f4")


def test_a_silence_over_an_alert_is_named_while_it_lasts() -> None:
    watch = Watch()
    book = AlertBook(watch)
    book.receive([notice({"alertname": "A"}), notice({"alertname": "B"})])
    silence = book.put_silence(SilenceDraft((parse_matcher("alertname=A"),), 1000.0, 1100.0, "me", "why"))
    assert {alert.labels["alertname"]: alert.silenced_by for alert in book.alerts()} == {"A": (silence,), "B": ()}
    book.expire_silence(silence)
    assert not any(alert.silenced_by for alert in book.alerts())
    assert [s.state(watch.at) for s in book.silences()] == ["expired"]


def tree() -> Route:
    return Route("quiet", ("alertname", "model"), routes=(
        Route("pager", matchers=(parse_matcher("severity=page"),), goes_on=True),
        Route("tickets", ("model",), (parse_matcher('severity=~"page|ticket"'),)),
        Route("each", EVERY_LABEL, (parse_matcher("severity=each"),))))


def grouped(*labels: dict[str, str]) -> list[tuple[dict[str, str], str, int]]:
    book = AlertBook(Watch(), route=tree())
    book.receive([notice(own) for own in labels])
    return [(dict(group.labels), group.receiver, len(group.alerts)) for group in book.groups()]


def test_alerts_are_grouped_as_the_routes_say() -> None:
    page = {"alertname": "Z", "model": "a", "severity": "page"}
    ticket = {"alertname": "Y", "model": "b", "severity": "ticket"}
    each = {"alertname": "Q", "severity": "each"}
    assert grouped(page, {**page, "pod": "1"}, {**page, "pod": "2"}, ticket, {"alertname": "N"}, each, {"x": "1"}) == [
        ({}, "quiet", 1), ({"model": "a"}, "tickets", 3), ({"model": "b"}, "tickets", 1),
        ({"alertname": "N"}, "quiet", 1), (each, "each", 1), ({"alertname": "Z", "model": "a"}, "pager", 3)]


def test_an_alert_names_every_receiver_that_gets_it() -> None:
    book = AlertBook(Watch(), route=tree())
    book.receive([notice({"alertname": "Z", "severity": "page"})])
    assert book.alerts()[0].receivers == ("pager", "tickets")


def test_a_route_is_written_as_the_configuration_writes_it() -> None:
    assert tree().settings() == {
        "receiver": "quiet", "group_by": ["alertname", "model"], "continue": False, "routes": [
            {"receiver": "pager", "matchers": ['severity="page"'], "continue": True},
            {"receiver": "tickets", "group_by": ["model"], "matchers": ['severity=~"page|ticket"'], "continue": False},
            {"receiver": "each", "group_by": ["..."], "matchers": ['severity="each"'], "continue": False}]}
    assert tree().receivers() == ["quiet", "pager", "tickets", "each"]
