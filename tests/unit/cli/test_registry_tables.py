"""Tables show what people wrote as they wrote it: nobody's name or reason breaks the list for all others."""

from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from lambent.domain.model import Canary, Change, LabelMove, LabelRecord, ModelRef, MoveAction, VersionRecord
from lambent_toolkit.cli.registry_tables import history_table, labels_table, print_versions, versions_table
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


@pytest.mark.parametrize("columns", [40, 80, 100, 200])
def test_names_and_labels_are_whole_on_any_screen(columns: int) -> None:
    canaries = [replace(LABEL, label=label, canary=Canary(2, 1_250)) for label in ("live", "trial", "t" * 64)]
    rows = [
        (replace(VERSION, ref=ModelRef("s" * 64, 2), by="ann@example.com"), [*canaries, replace(LABEL, version=2)]),
        (replace(VERSION, by="github-actions[bot]"), canaries),
    ]
    console = Console(width=columns, record=True)

    print_versions(console, rows)

    _, first, *lines = console.export_text().splitlines()
    assert first.split() == ["s" * 64, "2", "live", "active", "2026-11-24", "00:00:00Z", "ann@example.com", "0" * 12]
    shown = [line.strip() for line in lines]
    assert shown[:3] == [f"{label} (canary 12.5%)" for label in ("live", "trial", "t" * 64)]
    assert shown[3].startswith("shade")
    assert "github-actions[bot]" in shown[3]
    assert shown[4:] == ["trial", "t" * 64]
