"""Write the dashboard's body into template.yaml: python -m lambent_toolkit.dashboard."""

from __future__ import annotations

from pathlib import Path

from lambent_toolkit.dashboard.body import with_body

TEMPLATE = Path("template.yaml")

TEMPLATE.write_text(with_body(TEMPLATE.read_text()))
