"""The table by which the lab's templates are tested is what a real Prometheus writes."""

from __future__ import annotations

from pathlib import Path

import httpx
import yaml

from tests.lab.alerting.written import LAYOUT, WRITTEN
from tests.real import servers
from tests.real.conftest import installed


def test_the_table_is_what_prometheus_writes(tmp_path: Path) -> None:
    rules = [{"alert": f"A{number}", "expr": f"vector({spelt})", "labels": {"spelt": spelt},
              "annotations": {"text": LAYOUT}} for number, (spelt, _, _) in enumerate(WRITTEN)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": "1s", "rules": rules}]}), encoding="utf-8")
    with installed(servers.prometheus(tmp_path, {"rule_files": [str(file)]})) as server:
        def written() -> set[tuple[str, str, str]]:
            alerts = httpx.get(f"{server.url}/api/v1/alerts", trust_env=False).json()["data"]["alerts"]
            return {(alert["labels"]["spelt"], alert["value"], alert["annotations"]["text"]) for alert in alerts}
        servers.wait_for(lambda: len(written()) == len(WRITTEN), "alert for each value", server)
        assert written() == set(WRITTEN)
