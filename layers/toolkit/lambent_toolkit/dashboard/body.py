"""The table as a dashboard's body, and its place in template.yaml."""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import Any

from lambent_toolkit.dashboard.table import ROWS, Row

PERIOD_S = 300
# CloudWatch's grid is 24 wide.
_WIDTH, _HEIGHT, _A_LINE = 8, 6, 3
_PLACE = re.compile(r"^(?P<indent> +)DashboardBody: !Sub .*$", re.MULTILINE)


def dashboard_body() -> str:
    """Return the dashboard's JSON as text for ``Fn::Sub``.

    Source: docs.aws.amazon.com, "Dashboard body structure and syntax"
    """
    graphs = [(title, list(rows)) for title, rows in groupby(ROWS, key=lambda row: row.graph)]
    widgets = [_widget(number, title, rows) for number, (title, rows) in enumerate(graphs)]
    return json.dumps({"widgets": widgets}, separators=(",", ":"))


def with_body(template: str) -> str:
    """Return the template's text with the body in its place.

    Raises
    ------
    ValueError   there is not exactly one such place
    """
    quoted = dashboard_body().replace("'", "''")
    written, places = _PLACE.subn(lambda found: f"{found['indent']}DashboardBody: !Sub '{quoted}'", template)
    if places != 1:
        raise ValueError(f"template.yaml has {places} lines `DashboardBody: !Sub …` instead of one")
    return written


def _widget(number: int, title: str, rows: list[Row]) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": number % _A_LINE * _WIDTH,
        "y": number // _A_LINE * _HEIGHT,
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {
            "title": title,
            "region": "${AWS::Region}",
            "period": PERIOD_S,
            "metrics": [_line(row) for row in rows],
        },
    }


def _line(row: Row) -> list[Any]:
    if row.by:
        return [{"expression": _search(row), "label": ""}]
    named = [part for pair in row.dimensions for part in pair]
    return [row.namespace, row.metric, *named, {"stat": row.statistic, "label": row.label}]


def _search(row: Row) -> str:
    schema = ",".join([row.namespace, *(name for name, _ in row.dimensions), *row.by])
    chosen = " ".join(f'{name}="{value}"' for name, value in (("MetricName", row.metric), *row.dimensions))
    return f"SEARCH('{{{schema}}} {chosen}', '{row.statistic}', {PERIOD_S})"
