"""Tables show what people wrote as they wrote it: nobody's name or reason breaks the list for all others."""

from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from lambent.domain.model import Change, LabelMove, LabelRecord, ModelRef, MoveAction, VersionRecord
from lambent_toolkit.cli.registry_tables import history_table, labels_table, versions_table
from lambent_toolkit.cli.tables import checks_table
from lambent_toolkit.modelkit.gate import Check

AT = "2026-11-24T00:00:00.000Z"
BY, WHY = "[/ann]", "[red]late[/]"
MOVE = LabelMove(1, MoveAction.SET, 1, None, Change(AT, BY, WHY))
LABEL = LabelRecord("shade", "live", 1, 1, AT, by=BY, why=WHY, history=(MOVE,))
VERSION = VersionRecord(ModelRef("shade", 1), "0" * 64, AT, by=BY)
CHECK = Check("serving", False, BY, WHY, "look again")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (versions_table([(VERSION, [LABEL])]), [BY]),
        (versions_table([(replace(VERSION, by="", retired=Change(AT, BY)), [])]), [f"retired by {BY}"]),
        (labels_table([LABEL]), [BY, WHY]),
        (history_table([MOVE]), [BY, WHY]),
        (checks_table([CHECK]), [BY, WHY, "✗"]),
    ],
    ids=["versions", "retired", "labels", "history", "checks"],
)
def test_what_looks_like_markup_is_shown_as_it_is(table: Table, told: list[str]) -> None:
    console = Console(width=160, record=True)

    console.print(table)

    shown = console.export_text()
    assert [text for text in told if text not in shown] == []
