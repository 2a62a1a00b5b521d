"""What moto finds out anew for every request, though it never changes: found out once."""

from __future__ import annotations

import functools

from moto import backends
from moto.core import responses


def remember_what_never_changes() -> None:
    """Take a third off every request: moto lists its folder twice and a class's methods once for each."""
    modules = frozenset(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
