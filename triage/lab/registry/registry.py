"""The model registry: registered models, their versions, aliases and tags, and the runs that made the versions.

Its rules and its wording are those of MLflow 3 on SQLite, as its server answers them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from triage.lab.clock import LabClock
from triage.lab.registry.demands import RegistryError, check_alias, check_model_name, check_tags, version_number
from triage.lab.registry.records import STAGES, Model, Run, Version

_MODEL_REFERENCE = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<alias>[^/@]+))")


class Registry:
    """What the registry holds. Every method raises :class:`RegistryError` where MLflow refuses."""

    def __init__(self, clock: LabClock) -> None:
        self._clock = clock
        self._models: dict[str, Model] = {}
        self._runs: dict[str, Run] = {}

    def model(self, name: str) -> Model:
        """The model of that name."""
        found = self._models.get(name)
        if found is None:
            raise RegistryError("RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found")
        return found

    def models(self) -> list[Model]:
        """All of them, by name."""
        return [self._models[name] for name in sorted(self._models)]

    def add_model(self, name: str, tags: Mapping[str, str] | None = None, description: str | None = None,
                  created_at: float | None = None) -> Model:
        """Register ``name``. ``created_at`` is in Unix seconds, now when None."""
        check_model_name(name)
        check_tags(tags or {})
        self._check_free(name)
        at = self._milliseconds(created_at)
        return self._keep(Model(name, at, at, description, dict(tags or {})))

    def update_model(self, name: str, description: str | None) -> Model:
        """Replace its description; None takes it away."""
        return self._keep(replace(self.model(name), description=description, updated_ms=self._milliseconds()))

    def rename_model(self, name: str, new_name: str) -> Model:
        """Give it another name, with its versions, tags and aliases."""
        check_model_name(new_name)
        model = self.model(name)
        self._check_free(new_name)
        at = self._milliseconds()
        del self._models[name]
        versions = {number: replace(version, model=new_name, updated_ms=at)
                    for number, version in model.versions.items()}
        return self._keep(replace(model, name=new_name, versions=versions, updated_ms=at))

    def delete_model(self, name: str) -> None:
        """Forget it and its versions."""
        del self._models[self.model(name).name]

    def version(self, name: str, number: int) -> Version:
        """One version."""
        model = self._models.get(name)
        if model is None or number not in model.versions:
            raise RegistryError("RESOURCE_DOES_NOT_EXIST", f"Model Version (name={name}, version={number}) not found")
        return model.versions[number]

    def versions(self) -> Iterator[Version]:
        """Every version of every model."""
        for model in self.models():
            yield from model.versions.values()

    def add_version(self, name: str, version: str | None = None, source: str = "", run_id: str = "",
                    tags: Mapping[str, str] | None = None, created_at: float | None = None, *,
                    description: str = "", run_link: str = "", status: str = "READY") -> Version:
        """Add a version: ``version`` is a number as text, the next one when None. ``created_at`` is in Unix seconds."""
        check_tags(tags or {})
        model = self.model(name)
        number = model.highest + 1 if version is None else version_number(version)
        if number in model.versions:
            raise RegistryError("RESOURCE_ALREADY_EXISTS",
                                f"Model Version (name={name}, version={number}) already exists")
        at = self._milliseconds(created_at)
        added = Version(name, number, source, self._location(source), at, at, run_id, run_link, description, status,
                        tags=dict(tags or {}))
        self._keep(replace(model, versions={**model.versions, number: added}, updated_ms=max(model.updated_ms, at),
                           highest=max(model.highest, number)))
        return added

    def update_version(self, name: str, number: int, description: str | None) -> Version:
        """Replace its description; None takes it away."""
        return self._keep_version(replace(self.version(name, number), description=description,
                                          updated_ms=self._milliseconds()))

    def set_stage(self, name: str, number: int, stage: str, *, archive_others: bool = False) -> Version:
        """Move a version to a stage (in any case); the others of that stage are archived when asked for."""
        known = {each.lower(): each for each in STAGES}
        target = known.get(stage.lower())
        if target is None:
            raise RegistryError("INVALID_PARAMETER_VALUE", f"Invalid Model Version stage: {stage}. "
                                                           f"Value must be one of {', '.join(STAGES)}.")
        moved = self.version(name, number)
        at = self._milliseconds()
        if archive_others and target in ("Staging", "Production"):
            for other in self.model(name).versions.values():
                if other.stage == target and other.number != number:
                    self._keep_version(replace(other, stage="Archived", updated_ms=at))
        moved = self._keep_version(replace(moved, stage=target, updated_ms=at))
        self._keep(replace(self.model(name), updated_ms=at))
        return moved

    def delete_version(self, name: str, number: int) -> None:
        """Forget a version, and with it the aliases that point at it."""
        self.version(name, number)
        model = self.model(name)
        self._keep(replace(model, updated_ms=self._milliseconds(),
                           versions={n: version for n, version in model.versions.items() if n != number},
                           aliases={alias: n for alias, n in model.aliases.items() if n != number}))

    def alias(self, name: str, alias: str) -> str | None:
        """The version that an alias names, None when there is no such alias."""
        number = self.model(name).aliases.get(alias)
        return None if number is None else str(number)

    def aliased(self, name: str, alias: str) -> Version:
        """The version that an alias names."""
        model = self.model(name)
        if alias not in model.aliases:
            raise RegistryError("INVALID_PARAMETER_VALUE", f"Registered model alias {alias} not found.")
        return model.versions[model.aliases[alias]]

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let ``alias`` name ``version``, whatever it named before.

        There is no compare-and-set, no time changes and nothing remembers where it was.
        """
        check_alias(alias)
        number = self.version(name, version_number(version)).number
        model = self.model(name)
        self._keep(replace(model, aliases={**model.aliases, alias: number}))

    def delete_alias(self, name: str, alias: str) -> None:
        """Forget an alias. One that does not exist is no error."""
        model = self.model(name)
        self._keep(replace(model, aliases={a: number for a, number in model.aliases.items() if a != alias}))

    def set_tag(self, name: str, key: str, value: str, version: str | None = None) -> None:
        """Tag a model, or one of its versions."""
        check_tags({key: value})
        if version is None:
            model = self.model(name)
            self._keep(replace(model, tags={**model.tags, key: value}))
        else:
            tagged = self.version(name, version_number(version))
            self._keep_version(replace(tagged, tags={**tagged.tags, key: value}))

    def delete_tag(self, name: str, key: str, version: str | None = None) -> None:
        """Forget a tag of a model, or of one of its versions. One that does not exist is no error."""
        if version is None:
            model = self.model(name)
            self._keep(replace(model, tags={k: value for k, value in model.tags.items() if k != key}))
        else:
            tagged = self.version(name, version_number(version))
            self._keep_version(replace(tagged, tags={k: value for k, value in tagged.tags.items() if k != key}))

    def add_run(self, run: Run) -> None:
        """Add a run, or replace the one of the same id."""
        self._runs[run.run_id] = run

    def run(self, run_id: str) -> Run:
        """The run of that id."""
        found = self._runs.get(run_id)
        if found is None:
            raise RegistryError("RESOURCE_DOES_NOT_EXIST", f"Run with id={run_id} not found")
        return found

    def has_run(self, run_id: str) -> bool:
        """Whether there is such a run: a version may name one that is unknown here."""
        return run_id in self._runs

    def _location(self, source: str) -> str:
        named = _MODEL_REFERENCE.fullmatch(source)
        if not named:
            return source
        if named["alias"] is not None:
            return self.aliased(named["name"], named["alias"]).location
        return self.version(named["name"], version_number(named["version"])).location

    def _milliseconds(self, at: float | None = None) -> int:
        return round((self._clock.now() if at is None else at) * 1000)

    def _check_free(self, name: str) -> None:
        if name in self._models:
            raise RegistryError("RESOURCE_ALREADY_EXISTS", f"Registered Model (name={name}) already exists.")

    def _keep(self, model: Model) -> Model:
        self._models[model.name] = model
        return model

    def _keep_version(self, version: Version) -> Version:
        model = self.model(version.model)
        self._keep(replace(model, versions={**model.versions, version.number: version}))
        return version
