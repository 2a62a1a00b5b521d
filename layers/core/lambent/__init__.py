"""Lambent's core: what a prediction, a model version and a batch job are, and how AWS services carry them.

Imports point one way: functions → services → domain and ports ← adapters, with ``runtime`` wiring them together.
"""

from pathlib import Path

from lambent.runtime.build_record import check_build

__version__ = "0.1.0"

check_build(Path(__file__).parents[2])  # /opt/python/lambent on Lambda
