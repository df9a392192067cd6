"""What the Kubernetes API tells about itself: versions, groups and the resources of each group."""

from __future__ import annotations

from triage.lab.cluster.objects import Json
from triage.lab.cluster.resources import RESOURCES, Resource

VERSION: Json = {"major": "1", "minor": "32", "gitVersion": "v1.32.0+lab", "gitCommit": "", "gitTreeState": "clean",
                 "buildDate": "2024-12-11T17:59:15Z", "goVersion": "", "compiler": "", "platform": "linux/amd64"}
_GROUPS = tuple(dict.fromkeys((each.group, each.version) for each in RESOURCES if each.group))


def core_versions() -> Json:
    """``/api``."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def groups() -> Json:
    """``/apis``."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*each) for each in _GROUPS]}


def group(name: str) -> Json | None:
    """``/apis/<group>``, None for a group that is not known."""
    return next(({"kind": "APIGroup", "apiVersion": "v1"} | _group(*each) for each in _GROUPS if each[0] == name), None)


def _group(name: str, version: str) -> Json:
    served = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def resources(group: str, version: str) -> Json | None:
    """``/api/v1`` (an empty group) or ``/apis/<group>/<version>``, None for one that is not known."""
    mine = [each for each in RESOURCES if (each.group, each.version) == (group, version)]
    if not mine:
        return None
    entries = [entry for each in mine for entry in (_resource(each), *map(_subresource, [each] * len(each.subresources),
                                                                         each.subresources))]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": mine[0].api_version, "resources": entries}


def _resource(resource: Resource) -> Json:
    entry: Json = {"name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
                   "kind": resource.kind, "verbs": sorted(resource.verbs)}
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _subresource(resource: Resource, name: str) -> Json:
    entry: Json = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced,
                   "kind": resource.kind, "verbs": ["get", "patch", "update"]}
    return entry | ({"group": "autoscaling", "version": "v1", "kind": "Scale"} if name == "scale" else {})
