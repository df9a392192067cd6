"""How guarded actions are recorded and held back: journal, freezes, leases, cool-down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from triage.endpoints import Settings
from triage.quantities import Duration


def _moment(text: str) -> str:
    try:
        if datetime.fromisoformat(text).tzinfo is not None:
            return text
    except ValueError:
        pass
    raise ValueError("is no moment with its zone\nsuch as 2026-11-27T08:00:00Z or 2026-11-27T08:00:00+01:00")


Moment = Annotated[str, AfterValidator(_moment)]


class Freeze(Settings):
    """An announced time in which nothing is to be changed. Pausing, aborting and rolling back stay possible, once it
    was read and acknowledged."""

    start: Moment = Field(description="From when.")
    end: Moment = Field(description="Until when.")
    reason: str = Field(min_length=1, description="Why, as it is shown to whoever wants to act.")
    models: list[str] = Field([], description="Models it is about; by default all.")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Freeze:
        if self.ends_at <= self.starts_at:
            raise ValueError("has an end that is not after its start")
        return self

    @property
    def starts_at(self) -> float:
        """Unix seconds."""
        return datetime.fromisoformat(self.start).astimezone(UTC).timestamp()

    @property
    def ends_at(self) -> float:
        """Unix seconds."""
        return datetime.fromisoformat(self.end).astimezone(UTC).timestamp()


class AnchorFile(Settings):
    """A file on another disk."""

    kind: Literal["file"] = Field(description="What it is.")
    path: str = Field(min_length=1, description="The file; relative to this one. Its folder must be yours alone "
                      "(mode 0700).")


class AnchorSyslog(Settings):
    """The machine's system log."""

    kind: Literal["syslog"] = Field(description="What it is.")


class JournalSettings(Settings):
    """The journal of actions."""

    folder: str | None = Field(None, min_length=1, description="Folder of its files, yours alone (mode 0700); relative "
                               "to this file. By default journal in the state directory.")
    anchor: Annotated[AnchorFile | AnchorSyslog, Field(discriminator="kind")] | None = Field(
        None, description="Second place that learns number and digest of every record, so that a journal cut short is "
        "found out.")


class LeaseFiles(Settings):
    """Leases in files."""

    kind: Literal["files"] = Field(description="What it is.")
    folder: str | None = Field(None, min_length=1, description="Folder that all who act share, yours alone (mode "
                               "0700); relative to this file. By default leases in the state directory.")


class LeaseKubernetes(Settings):
    """Leases as objects of the cluster (coordination.k8s.io), between all who act on it."""

    kind: Literal["kubernetes"] = Field(description="What it is.")
    namespace: str = Field(min_length=1, description="Namespace of the Lease objects.")


class ActionSettings(Settings):
    """What holds guarded actions back, and where they are recorded."""

    journal: JournalSettings = Field(JournalSettings(folder=None, anchor=None), description="Where every action is "
                                     "recorded before it is done.")
    leases: Annotated[LeaseFiles | LeaseKubernetes, Field(discriminator="kind")] = Field(
        LeaseFiles(kind="files", folder=None), description="How of several people only one acts on a target.")
    freeze_file: str = Field("/etc/triage/freeze", min_length=1, description="While this file exists nothing is "
                             "executed at all; its first line says why.")
    freezes: list[Freeze] = Field([], description="Announced freezes.")
    cool_down: Duration = Field(600.0, validate_default=False, description="Time in which only so many actions as "
                                "cool_down_actions go to one target.")
    cool_down_actions: int = Field(3, ge=1, le=100, description="See cool_down.")
    two_persons: Literal["named", "os-users"] = Field("named", description="How well it has to be known who asked for "
                                                      "an approval. The last approver is authenticated in any case. "
                                                      "named: what the shared file says of the others counts. "
                                                      "os-users: each file has to belong to another user of the "
                                                      "machine.")
