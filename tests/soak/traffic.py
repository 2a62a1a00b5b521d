"""What a soak sends: uploads, calls for later and batches; most are good, some are poison, some come twice."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from chaos.chaos import POISON
from PIL import Image

TENANT, MODEL = "default", "digits"
ITEMS_OF_A_BATCH = 10
_SIDE_PX = 28
_UPLOADS, _CALLS = 0.85, 0.10  # the rest are batches
# Messages that no function can read, one by queue.
ENVELOPE = "envelope"
_ENVELOPES = 0.1  # of the poison


@dataclass(frozen=True)
class Request:
    """One request of a soak.

    Parameters
    ----------
    name      its own, and part of its key, its idempotency key or its job's id
    door      upload, call, batch, or envelope
    picture   which of the good pictures it is about
    poison    a kind of `chaos.POISON`, None for a good one
    is_twice  whether it is delivered a second time
    """

    name: str
    door: str
    picture: int
    poison: str | None
    is_twice: bool


def make_traffic(
    *, seed: int, requests: int, poison: float, duplicates: float, pictures: int, kinds: Sequence[str] = ()
) -> list[Request]:
    """Return the requests of a seed, in their order.

    Parameters
    ----------
    poison       part of them that is poison, all kinds alike
    kinds        of poison; none: all, and some messages that nobody can read
    duplicates   part of them that comes twice
    pictures     number of good pictures
    """
    random = Random(seed)
    envelopes, chosen = 0.0 if kinds else _ENVELOPES, sorted(kinds or POISON.values())
    number = round(poison * requests)
    bad = [ENVELOPE if random.random() < envelopes else chosen[n % len(chosen)] for n in range(number)]
    wanted: list[str | None] = [*bad, *[None] * (requests - len(bad))]
    random.shuffle(wanted)
    return [
        Request(
            name=f"s{seed}-{number:06d}",
            door=_door(random, kind),
            picture=random.randrange(pictures),
            poison=kind,
            is_twice=kind is None and random.random() < duplicates,
        )
        for number, kind in enumerate(wanted)
    ]


def _door(random: Random, kind: str | None) -> str:
    if kind == ENVELOPE:
        return ENVELOPE
    chance = random.random()
    if chance < _UPLOADS:
        return "upload"
    return "call" if chance < _UPLOADS + _CALLS else "batch"


def poison_picture(kind: str) -> bytes:
    """Return the PNG of one grey that works on whoever infers it."""
    grey = next(level for level, each in POISON.items() if each == kind)
    body = io.BytesIO()
    Image.new("L", (_SIDE_PX, _SIDE_PX), grey).save(body, "png")
    return body.getvalue()
