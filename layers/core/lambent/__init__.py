"""Lambent's core: what a prediction, a model version and a batch job are, and how AWS services carry them.

Imports point one way: functions → services → domain and ports ← adapters, with ``runtime`` wiring them together.
"""

__version__ = "0.1.0"
