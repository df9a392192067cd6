"""Model registries: one face, an MLflow server or a folder behind it."""
