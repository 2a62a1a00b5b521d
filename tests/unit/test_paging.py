"""Pages of names."""

import pytest

from lambent.contracts.paging import cut_page
from lambent.errors import CursorInvalid

NAMES = [f"model-{number:02d}" for number in range(7)]
SCOPE = "acme/models"


def test_pages_hold_every_name_once() -> None:
    found: list[str] = []
    cursor = None
    while True:
        page = cut_page(NAMES, scope=SCOPE, limit="3", cursor=cursor)
        found += page.names
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == NAMES


def test_a_name_that_was_added_or_removed_meanwhile_does_not_shift_the_pages() -> None:
    first = cut_page(NAMES, scope=SCOPE, limit="3", cursor=None)

    second = cut_page(["another", *NAMES[1:2], *NAMES[3:]], scope=SCOPE, limit="3", cursor=first.next_cursor)

    assert second.names == NAMES[3:6]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", "1.5", "", "²", "0001"])
def test_a_page_has_1_to_100_names(limit: str) -> None:
    with pytest.raises(CursorInvalid) as refusal:
        cut_page(NAMES, scope=SCOPE, limit=limit, cursor=None)

    assert refusal.value.field == "limit"


def test_a_cursor_that_was_altered_or_is_anothers_is_refused() -> None:
    cursor = cut_page(NAMES, scope=SCOPE, limit="3", cursor=None).next_cursor
    foreign = cut_page(NAMES, scope="other/models", limit="3", cursor=None).next_cursor
    altered = [cursor[:position] + ("A" if cursor[position] != "A" else "B") + cursor[position + 1 :]
               for position in range(len(cursor))]  # fmt: skip

    for wrong in [foreign, *altered, "", "model-02", "ü", "x" * 600, cursor + "=", cursor + "A"]:
        with pytest.raises(CursorInvalid):
            cut_page(NAMES, scope=SCOPE, limit=None, cursor=wrong)
