"""What Prometheus and Alertmanager do with rules: evaluate, fire, notify, group, silence."""
