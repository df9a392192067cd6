"""Samples and PromQL: what Prometheus is in the lab's world."""
