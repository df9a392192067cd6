"""Who answers the Prometheus API."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.sources.fingerprint import Backend, BackendKind, fingerprint

K = BackendKind
DEBIAN = {"version": "2.42.0+ds", "revision": "2.42.0+ds-5+deb12u1", "branch": "debian/sid", "buildUser": "team",
          "buildDate": "20260604-00:58:54", "goVersion": "go1.19.8"}


@pytest.mark.parametrize(("build_info", "headers", "kind", "version"), [
    (DEBIAN, {}, K.PROMETHEUS, "2.42.0+ds"),
    ({**DEBIAN, "version": "3.14.0"}, {}, K.PROMETHEUS, "3.14.0"),
    ({"version": "0.38.0", "revision": "abc", "branch": "HEAD", "goVersion": "go1.23"}, {}, K.THANOS, "0.38.0"),
    ({"application": "Grafana Mimir", "version": "2.15.0", "features": {}}, {}, K.MIMIR, "2.15.0"),
    ({"application": "Cortex", "version": "1.18.0"}, {}, K.CORTEX, "1.18.0"),
    ({"version": "1.10.0", "features": {"ruler_config_api": "true"}}, {}, K.CORTEX, "1.10.0"),
    ({"version": "2.24.0"}, {}, K.VICTORIA_METRICS, ""),
    ({"version": "2.24.0"}, {"x-server-hostname": "vm-1"}, K.VICTORIA_METRICS, ""),
    ({**DEBIAN, "version": "2.24.0"}, {}, K.PROMETHEUS, "2.24.0"),
    (None, {}, K.UNKNOWN, ""),
    ([], {}, K.UNKNOWN, ""),
    ({}, {}, K.UNKNOWN, ""),
    ({"version": "main"}, {}, K.UNKNOWN, "main"),
    ({"version": 3}, {}, K.UNKNOWN, ""),
    ({"application": "Something", "version": "1.0.0"}, {}, K.UNKNOWN, "1.0.0"),
])
def test_products_are_told_apart(build_info: Any, headers: dict[str, str], kind: BackendKind, version: str) -> None:
    assert fingerprint(build_info, headers) == Backend(kind, version)


@given(st.dictionaries(st.sampled_from(["version", "application", "features", "revision", "goVersion"]),
                       st.none() | st.text(max_size=5) | st.integers() | st.lists(st.none(), max_size=1)
                       | st.just({})) | st.text() | st.none())
def test_no_build_info_whatever_makes_it_raise(build_info: Any) -> None:
    assert fingerprint(build_info, {}).kind in BackendKind


@pytest.mark.parametrize(("version", "release"), [("2.42.0+ds", (2, 42)), ("v3.1.0", (3, 1)), ("main-abc", None),
                                                  ("", None)])
def test_a_release_is_read_from_the_version(version: str, release: tuple[int, int] | None) -> None:
    assert Backend(K.PROMETHEUS, version).release == release
