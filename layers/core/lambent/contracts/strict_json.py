"""What every JSON body must be before anybody decodes it: UTF-8, keys once, bounded in depth, values and numbers.

The JSON grammar allows what decoders treat differently, and what differs between two decoders of one request is a way
around checks (RFC 8259, sections 4, 6 and 8; RFC 7493). The grammar itself is the decoder's part, see `decoding`.

Most bytes of a large request are one array of numbers. So the text is cut at its quotes, and what lies between two
strings is looked at by `bytes` methods only: 450 KB of numbers take 0.2 ms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

import msgspec

from lambent.contracts.json_grammar import check_grammar, invalid_at
from lambent.errors import JsonTooComplex

MAX_DEPTH = 64
MAX_VALUES = 1_000_000
# As many digits as Python makes an integer of (sys.int_info.default_max_str_digits); doubles need 1,076 at most.
MAX_NUMBER_CHARACTERS = 4_300

_BOM = b"\xef\xbb\xbf"
_SMALL_BYTES = 16_384
_FIRST_QUOTES = 256
_MANY_PIECES = 20_000
_JOINED_PIECES = 8_192
_SHORT_BYTES = 16
# A string that is never closed counts to the end, or each of its quotes would begin another search.
_STRING = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"?', re.DOTALL)
_NUMBER = rb"[-+.0-9eE]"
# The look-behind keeps the search linear: a run is tried at its first character only.
_LONG_NUMBER = re.compile(rb"(?<!%b)%b{%d}" % (_NUMBER, _NUMBER, MAX_NUMBER_CHARACTERS + 1))
_WHITESPACE = b" \t\r\n"
_BRACES_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ALL_BUT_BRACES = bytes(set(range(256)) - set(b"{}"))
_OPENING, _CLOSING = b"{}"
_STEPS = {ord("["): 1, ord("]"): -1}


def check_json(body: bytes | memoryview | str, *, what: str) -> bytes:
    """Return the body's bytes if its JSON is one that all decoders understand alike and at bounded cost.

    Bare ``NaN`` and ``Infinity`` pass, as TensorFlow Serving's form of JSON has them: whether they are taken is the
    decoder's choice.

    Parameters
    ----------
    body          the whole JSON text
    what : str    what the caller sent, for the message: "request body", "manifest line 3"

    Raises
    ------
    JsonInvalid      a byte order mark, not UTF-8, or a key that stands twice in one object
    JsonTooComplex   more than MAX_DEPTH levels, MAX_VALUES values, MAX_VALUES strings (keys are strings too) or
                     MAX_NUMBER_CHARACTERS in a number
    """
    text = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    _check_encoding(text, what=what)
    is_large = len(text) > 2 * MAX_VALUES  # a string takes two bytes, so do a value and what separates it from the next
    if is_large:
        _check_strings(text, what=what)
    pieces = _cut(text)
    if is_large:
        _check_values(pieces, what=what)
    if _has_brackets(text, MAX_DEPTH):
        _check_depth(pieces, what=what)
    if len(pieces) > _MANY_PIECES or text.count(b"}") > _MANY_PIECES:
        # Only what is JSON is worth the work on so many strings or objects.
        check_grammar(text, what=what)
    _check_numbers(pieces, what=what)
    _check_keys(text, pieces, what=what)
    return text


def _check_encoding(text: bytes, *, what: str) -> None:
    if text.isascii():
        return
    if text.startswith(_BOM):
        raise invalid_at(text, 0, "it begins with a byte order mark", what=what)
    try:
        text.decode()
    except UnicodeDecodeError as exc:
        raise invalid_at(text, exc.start, "the bytes are not UTF-8", what=what) from exc


def _check_strings(text: bytes, *, what: str) -> None:
    """Count strings before anything is made of each: a piece of the text takes 40 bytes and more."""
    if text.count(b'"') // 2 <= MAX_VALUES:
        return
    # Pair by pair, so that of several backslashes in front of a quote only an odd one is its escape.
    count = text.replace(rb"\\", b"").replace(rb"\"", b"").count(b'"') // 2
    if count > MAX_VALUES:
        raise JsonTooComplex(
            f"The {what} holds {count} strings, keys among them; JSON may hold {MAX_VALUES} here. Split it.",
            limit=MAX_VALUES,
            got=count,
        )


def _cut(text: bytes) -> list[bytes]:
    """Cut at the quotes: even places hold what is between strings, odd places the strings, still escaped."""
    if b"\\" in text:
        return list(_cut_escaped(text))
    if len(text) < _SMALL_BYTES:
        return text.split(b'"')
    # A search for one byte is faster than a split where strings are few and far between.
    pieces: list[bytes] = []
    start = 0
    for _ in range(_FIRST_QUOTES):
        quote = text.find(b'"', start)
        if quote < 0:
            return [*pieces, text[start:]]
        pieces.append(text[start:quote])
        start = quote + 1
    return pieces + text[start:].split(b'"')


def _cut_escaped(text: bytes) -> Iterator[bytes]:
    start = 0
    for string in _STRING.finditer(text):
        yield text[start : string.start()]
        yield string[1]
        start = string.end()
    yield text[start:]


def _without_strings(pieces: list[bytes]) -> bytes:
    """Return the text with a quote in the place of each string."""
    # In parts, as joining takes 80 bytes for each piece meanwhile.
    starts = range(0, len(pieces), _JOINED_PIECES)
    return b'"'.join(b'"'.join(pieces[start : start + _JOINED_PIECES : 2]) for start in starts)


def _check_numbers(pieces: list[bytes], *, what: str) -> None:
    for piece in pieces[::2]:
        if len(piece) > MAX_NUMBER_CHARACTERS and _has_long_number(piece):
            raise JsonTooComplex(
                f"The {what} holds a number of more than {MAX_NUMBER_CHARACTERS} characters; no number type needs that "
                "many. Round it.",
                limit=MAX_NUMBER_CHARACTERS,
                got=_longest_number(piece),
            )


def _has_long_number(piece: bytes) -> bool:
    # No number reaches over a comma, so only stretches without one are searched.
    start, window = 0, MAX_NUMBER_CHARACTERS + 1
    while len(piece) - start >= window:
        comma = piece.rfind(b",", start, start + window)
        if comma < 0:
            comma = piece.find(b",", start)
            end = len(piece) if comma < 0 else comma
            if _LONG_NUMBER.search(piece, start, end):
                return True
            comma = end
        start = comma + 1
    return False


def _longest_number(piece: bytes) -> int:
    return max(len(run[0]) for run in re.finditer(_NUMBER + b"+", piece))


def _check_values(pieces: list[bytes], *, what: str) -> None:
    """Count values: one, and one more for each comma and each array or object that is not empty."""
    compact = _without_strings(pieces).translate(None, _WHITESPACE)
    count = 1 + compact.count(b",") + compact.count(b"[") + compact.count(b"{")
    count -= compact.count(b"[]") + compact.count(b"{}")
    if count > MAX_VALUES:
        raise JsonTooComplex(
            f"The {what} holds {count} values, JSON may hold {MAX_VALUES} here. Split it, or send binary tensors.",
            limit=MAX_VALUES,
            got=count,
        )


def _has_brackets(text: bytes, more_than: int) -> bool:
    """Tell whether more than so many brackets are opened, counting those inside strings too."""
    found = 0
    for bracket in (b"[", b"{"):
        at = text.find(bracket)
        while at >= 0:
            found += 1
            if found > more_than:
                return True
            at = text.find(bracket, at + 1)
    return False


def _check_depth(pieces: list[bytes], *, what: str) -> None:
    brackets = _without_strings(pieces).translate(_BRACES_AS_BRACKETS, _ALL_BUT_BRACKETS)
    if _vanishes(brackets):
        return
    depth = max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)
    if depth > MAX_DEPTH:
        raise JsonTooComplex(
            f"The {what} is nested {depth} levels deep, JSON may have {MAX_DEPTH} here. Flatten it.",
            limit=MAX_DEPTH,
            got=depth,
        )


def _vanishes(brackets: bytes) -> bool:
    """Tell whether nothing is left after the innermost pair was taken away MAX_DEPTH times."""
    for _ in range(MAX_DEPTH):
        if not brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    return not brackets


def _check_keys(text: bytes, pieces: list[bytes], *, what: str) -> None:
    """Refuse an object that has a key twice, however the two are escaped."""
    is_escaped = b"\\" in text
    open_objects: list[set[bytes] | None] = [None]
    _follow_braces(pieces[0], open_objects)
    for place, (string, after) in enumerate(zip(pieces[1::2], pieces[2::2], strict=False)):
        if after[:1] == b":" or after.lstrip()[:1] == b":":
            key = _unescaped(string) if is_escaped else string
            keys = open_objects[-1]
            if keys is None:
                open_objects[-1] = {key}
            elif key in keys:
                offset = sum(len(piece) + 1 for piece in pieces[: 2 * place + 1]) - 1
                raise invalid_at(text, offset, "an object has the same key twice", what=what)
            else:
                keys.add(key)
        if b"{" in after or b"}" in after:
            _follow_braces(after, open_objects)


def _follow_braces(piece: bytes, open_objects: list[set[bytes] | None]) -> None:
    if len(piece) > _SHORT_BYTES:
        # What is long is numbers, with braces behind them: a search passes over those faster than anything else.
        first = min(at for at in (piece.find(b"{"), piece.find(b"}"), len(piece)) if at >= 0)
        piece = piece[first:].translate(None, _ALL_BUT_BRACES)
    for character in piece:
        if character == _OPENING:
            open_objects.append(None)  # most objects of a bomb have no key
        elif character == _CLOSING and len(open_objects) > 1:  # malformed JSON may close more than it opens
            open_objects.pop()


def _unescaped(key: bytes) -> bytes:
    if b"\\" not in key:
        return key
    try:
        return msgspec.json.decode(b'"%b"' % key, type=str).encode()
    except msgspec.DecodeError:
        return key
