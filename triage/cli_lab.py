"""The commands of the lab: ``triage demo`` and ``triage lab``. The only door of the product to it."""
