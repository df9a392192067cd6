"""On-call triage of machine-learning models in production.

Imports nothing: every start of the command line passes here first.
"""

__version__ = "0.1.0"
