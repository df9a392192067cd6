"""A small Kubernetes: objects and their watch log, permissions, and the controllers that turn a template into pods.

It knows what a rollout of a model needs and no more. Controllers run on virtual time (``Cluster.advance``), as the real
ones do after each change: what a client wrote is stored at once, what follows from it is seen afterwards.
"""

from triage.lab.cluster.cluster import Cluster

__all__ = ["Cluster"]
