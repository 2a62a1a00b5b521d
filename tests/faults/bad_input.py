"""A class of bad input, and the ways in which good bytes go bad."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from plane import Request

Make = Callable[[Random], Request]


@dataclass(frozen=True)
class BadInput:
    """A class of bad input.

    Parameters
    ----------
    name         what is wrong
    make         one mutation of the class, from a source of chance
    codes        the codes that a refusal may have
    can_be_good  whether a mutation may happen to be a good request
    """

    name: str
    make: Make
    codes: frozenset[str]
    can_be_good: bool = False


def bad(name: str, make: Make, codes: str, *, can_be_good: bool = False) -> BadInput:
    """Return a class; ``codes`` are separated by spaces."""
    return BadInput(name, make, frozenset(codes.split()), can_be_good)


def encoded(value: Any) -> bytes:
    """Return a value as JSON bytes."""
    return json.dumps(value).encode()


def truncated(random: Random, body: bytes, least: int = 1) -> bytes:
    """Return the body without some of its end."""
    return body[: random.randrange(least, len(body))]


def flipped(random: Random, body: bytes, start: int = 0) -> bytes:
    """Return the body with one to eight other bits."""
    changed = bytearray(body)
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(start, len(body))] ^= 1 << random.randrange(8)
    return bytes(changed)


def spliced(random: Random, body: bytes, *pieces: bytes) -> bytes:
    """Return the body with one of the pieces put in somewhere."""
    at = random.randrange(len(body) + 1)
    return body[:at] + random.choice(pieces) + body[at:]


def scrambled(random: Random, body: bytes) -> bytes:
    """Return the body with a stretch cut out, repeated, reversed or replaced by noise."""
    start = random.randrange(len(body))
    end = min(len(body), start + random.randint(1, 64))
    stretch = body[start:end]
    change = random.choice([b"", stretch * 2, stretch[::-1], random.randbytes(len(stretch))])
    return body[:start] + change + body[end:]
