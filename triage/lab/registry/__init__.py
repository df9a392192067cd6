"""A model registry with MLflow's rules: models, versions, stages, aliases, tags, and the runs behind them."""

from triage.lab.registry.demands import RegistryError
from triage.lab.registry.records import DataInput, Metric, Model, Run, Version
from triage.lab.registry.registry import Registry

__all__ = ["DataInput", "Metric", "Model", "Registry", "RegistryError", "Run", "Version"]
