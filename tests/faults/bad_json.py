"""Bodies that are not JSON, or JSON that costs too much; the same at every door that takes JSON."""

from __future__ import annotations

from random import Random

from bad_input import BadInput, Make, bad, encoded, flipped, scrambled, truncated
from plane import Request
from refusals import CANARY

_STRAY = [b"}", b"]", b",", b"{}", b'"' + CANARY.encode() + b'"', b"null", b"\x00", b"//", b"0", b"[]", b"\xff"]
_CONSTANTS = [b"NaN", b"Infinity", b"-Infinity", b"nan", b"undefined", b"None", b"True", b"+1", b".5", b"1.", b"0x1F"]
_BAD_STRINGS = [
    b'"\x00"', b'"\n"', b'"\t"', b'"\\x41"', b'"\\u12"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\', b'"\\u00zz"',
    b"'a'",
]  # fmt: skip
_BAD_UTF8 = [b"\xff", b"\xc3(", b"\xe2\x82", b"\xf0\x9f\x92", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"]
_ENCODINGS = ["utf-16", "utf-32", "utf-8-sig", "utf-16-le"]
_ANY = "json_invalid json_too_complex request_invalid field_not_allowed"


def json_classes(door: str, good: bytes, send: Make, codes: str = "") -> list[BadInput]:
    """Return the classes of one door.

    Parameters
    ----------
    door      its name
    good      a good body: an object
    send      called with a source of chance, returns the request whose body gets replaced
    codes     further codes of bodies that are JSON, but not what the door takes
    """

    def with_body(make_body) -> Make:
        def make(random: Random) -> Request:
            request = send(random)
            return Request(request.method, request.path, make_body(random), request.headers, request.query, request.key)

        return make

    def named(name: str) -> str:
        return f"{door}_{name}"

    def member(random: Random, value: bytes) -> bytes:
        """Put a value of another kind somewhere into the body's first level."""
        return b'{"%s": %b, %b' % (random.choice([b"a", b"parameters", CANARY.encode()]), value, good[1:])

    some = f"{_ANY} {codes}"
    return [
        bad(named("json_cut_off"), with_body(lambda random: truncated(random, good.rstrip())), "json_invalid"),
        bad(named("json_empty"), with_body(lambda random: b" \n\t" * random.randrange(9)), "json_invalid"),
        bad(
            named("json_trailing_data"),
            with_body(lambda random: good + b" " * random.randrange(3) + random.choice(_STRAY)),
            "json_invalid",
        ),
        bad(
            named("json_key_twice"),
            with_body(lambda random: _key_twice(random, good)),
            "json_invalid",
        ),
        bad(
            named("json_no_such_constant"),
            with_body(lambda random: member(random, random.choice(_CONSTANTS))),
            "json_invalid",
        ),
        bad(
            named("json_bad_string"),
            with_body(lambda random: member(random, random.choice(_BAD_STRINGS))),
            "json_invalid",
        ),
        bad(
            named("json_not_utf8"),
            with_body(lambda random: member(random, b'"%b"' % random.choice(_BAD_UTF8))),
            "json_invalid",
        ),
        bad(
            named("json_other_encoding"),
            with_body(lambda random: good.decode().encode(random.choice(_ENCODINGS))),
            "json_invalid",
        ),
        bad(
            named("json_deep"),
            with_body(lambda random: member(random, _deep(random))),
            "json_too_complex payload_too_large",
        ),
        bad(
            named("json_long_number"),
            with_body(lambda random: member(random, b"-"[: random.randrange(2)] + b"7" * random.randint(4_301, 6_000))),
            "json_too_complex",
        ),
        bad(named("json_bits_flipped"), with_body(lambda random: flipped(random, good)), some, can_be_good=True),
        bad(named("json_scrambled"), with_body(lambda random: scrambled(random, good)), some, can_be_good=True),
        bad(named("json_noise"), with_body(lambda random: random.randbytes(random.randint(1, 300))), "json_invalid"),
        bad(
            named("json_of_another_kind"),
            with_body(lambda random: encoded(random.choice([[], [1, CANARY], CANARY, 5, None, True, [[]], 1e5, ""]))),
            "request_invalid",
        ),
    ]  # fmt: skip


def _key_twice(random: Random, good: bytes) -> bytes:
    key = random.choice([b'"a"', b'"%b"' % CANARY.encode(), b'""', b'"\\u0062"'])
    again = random.choice([key, key.replace(b"a", b"\\u0061"), key.replace(b"\\u0062", b"b")])
    nested = random.choice([b'%b: 1, "x": 2, %b: 3', b'"x": {%b: [{}], %b: null}', b'"x": [[], {%b: 1,\n%b: 1}]'])
    return b"{" + nested % (key, again) + b", " + good[1:]


def _deep(random: Random) -> bytes:
    depth = random.choice([65, 70, 100, 1000, 5000])
    opening = random.choice([b"[", b'{"a":', b"[[", b'[{"a":'])
    closing = bytes({"[": ord("]"), "{": ord("}")}[chr(each)] for each in reversed(opening) if each in b"[{")
    return opening * depth + b"1" + (closing * depth if random.random() < 0.7 else b"")
