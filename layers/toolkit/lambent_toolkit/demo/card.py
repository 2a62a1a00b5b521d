"""Step 12: the model card of what is live, from the folder where it was measured to the door."""

from __future__ import annotations

import re

from rich.markdown import Markdown

from lambent_toolkit.demo.stage import Stage
from lambent_toolkit.modelkit.card import CARD_FILE

# What a reader asks first; the rest is in the file.
_SHOWN = ("What it is", "Figures", "Data", "Quantization")


def show_card(stage: Stage) -> None:
    """Step 12: the card that `lambent evaluate` wrote, as GET /models/NAME gives it to whoever asks."""
    answer = stage.http.get(f"/models/{stage.model_name}", headers={"Accept": "text/markdown"})
    parts = re.split(r"^## ", answer.text, flags=re.MULTILINE)[1:]
    shown = [part for part in parts if part.startswith(_SHOWN)]
    stage.show(Markdown("\n\n".join(f"**{part.strip().replace(chr(10), f'**{chr(10)}', 1)}" for part in shown)))
    stage.say(f"[dim]the whole card: {stage.keep(stage.folder / CARD_FILE)}[/]")
    stage.check(
        answer.content == (stage.folder / CARD_FILE).read_bytes(),
        f"GET /models/{stage.model_name} gives the card of {answer.headers.get('lambent-model')}, as it was measured "
        "and verified",
        got=answer.text[:200],
    )
