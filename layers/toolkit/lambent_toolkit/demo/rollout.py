"""Steps 10 and 11: a second version, compared with the first; a canary that some requests get, promote and rollback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from time import perf_counter, sleep

from msgspec import structs
from rich.markup import escape
from scipy.stats import binom

from lambent.domain.model import GOLDEN_FILE, LIVE, LabelRecord, ModelRef
from lambent.domain.rollout import REQUEST_KEY_HEADER, gets_canary
from lambent.runtime.clock import SystemClock
from lambent.services.golden import GoldenVectors
from lambent.services.move_label import LabelMover
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.cli.watch import ConsoleWatcher
from lambent_toolkit.demo.stage import DemoFailed, Stage
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.comparison_step import run_comparison
from lambent_toolkit.modelkit.evaluating.comparison_page import COMPARISON_PAGE, contestants_table, differences_table
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.named_models import NamedModels
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.recipe import Recipe
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.workbench import Workbench
from lambent_toolkit.reporting.terminal import terminal_table
from lambent_toolkit.stacks.find import StackChoice

_CANARY_BP = 2_000
_CALLS = 300
_ASKED = 20
_REPEATED = 50
# A fair share falls outside of these bounds once in a thousand demos.
_CONFIDENCE = 0.999
_REACHES_ALL_S = 5
# Against what hangs: a machine that is busy with other things takes long to ask everybody.
_LIMIT_S = 120


def make_second(stage: Stage) -> None:
    """Step 10: half the filters, measured as the first was, and compared with it on the same digits."""
    folder = _smaller_folder(stage)
    with ConsoleWatcher(stage.console) as watcher:
        bench = Workbench(folder, watcher=watcher)
        bench.train(_smaller_recipe())
        bench.quantize(Wish(variant="int8", measured=()))
        bench.evaluate()
        models = NamedModels(StackChoice(state=folder.parent))
        pair = models.ready(str(stage.folder)), models.ready(str(folder))
        comparison = run_comparison(*pair, folder.parent, watcher=watcher).comparison
    stage.show(terminal_table(contestants_table(comparison)))
    stage.show(terminal_table(differences_table(comparison)))
    stage.say(escape(comparison.verdict))
    stage.say(f"[dim]the digits on which they differ: {stage.keep(folder.parent / COMPARISON_PAGE)}[/]")
    artifact = Artifact.read(folder)
    open_gate(check_artifact(artifact), is_forced=False)
    ref = Publisher(stage.stack).publish(artifact).ref
    listed = stage.http.get(f"/models/{stage.model_name}").json()
    stage.check(
        listed["versions"] == [str(number + 1) for number in range(ref.version)],
        f"{ref} is published beside {_live(stage)}, which is still what everybody gets",
        got=listed,
    )


def roll_out(stage: Stage) -> None:
    """Step 11: some live requests try the second version; then all; then the first one is back."""
    first = _live(stage)
    second = ModelRef(stage.model_name, first.version + 1)
    mover = _mover(stage, why="half the filters, half the size")
    mover.start_canary(second.version, _CANARY_BP)
    took_s = _wait_until_answered(stage, [_expected(stage, user, first, second) for user in range(_ASKED)])
    # Another process of the function, which nobody has asked meanwhile, may remember the label until then.
    sleep(max(0.0, _REACHES_ALL_S - took_s))
    _show_canary(stage, first, second)
    _move(stage, mover.promote, second, "promote")
    back = _mover(stage, why="it reads fewer digits")
    back_s = _move(stage, back.rollback, first, "rollback")
    _show_history(stage)
    stage.figures["rollback, everywhere after"] = f"{back_s:.1f} s"


def _smaller_folder(stage: Stage) -> Path:
    return stage.folder.with_name("digits-smaller")


def _live(stage: Stage) -> ModelRef:
    return ModelRef(stage.model_name, _label(stage).version)


def _label(stage: Stage) -> LabelRecord:
    record = Publisher(stage.stack).registry.label(stage.model_name, LIVE)
    if record is None:
        raise DemoFailed(f"{stage.model_name} has no label {LIVE}")
    return record


def _smaller_recipe() -> Recipe:
    recipe = RECIPES["digits"]
    return replace(recipe, settings=structs.replace(recipe.settings, filters=16))


def _mover(stage: Stage, *, why: str) -> LabelMover:
    registry = Publisher(stage.stack).registry
    return LabelMover(stage.model_name, LIVE, registry=registry, clock=SystemClock(), by="lambent demo", why=why)


def _answered_by(stage: Stage, key: str) -> str:
    """Return the version that answers a user, who sends what all others send."""
    headers = {"content-type": "image/png", REQUEST_KEY_HEADER: key}
    answer = stage.http.post(f"/models/{stage.model_name}/predict", content=_picture(stage), headers=headers)
    if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        sleep(float(answer.headers["retry-after"]))
        return _answered_by(stage, key)
    if not answer.is_success:
        raise DemoFailed(f"a request while versions change was not answered: {answer.text}")
    return str(answer.headers["lambent-model"])


def _expected(stage: Stage, user: int, first: ModelRef, second: ModelRef) -> ModelRef:
    """Return the version that a user gets by the canary, which everybody can compute."""
    canary = _label(stage).canary
    if canary is None:
        raise DemoFailed(f"{stage.model_name} has no canary")
    return second if gets_canary(stage.model_name, LIVE, canary, f"user-{user}") else first


def _wait_until_answered(stage: Stage, refs: list[ModelRef]) -> float:
    """Ask until each of some users is answered by a version of its own; return how long it took, in seconds.

    Until then a function may remember where the label pointed before: what counts is when the last request was sent
    that got another version, not how long this machine takes for all of them.
    """
    start_s, last_s = perf_counter(), 0.0

    def settled() -> bool | None:
        nonlocal last_s
        for user, ref in enumerate(refs):
            sent_s = perf_counter()
            if _answered_by(stage, f"user-{user}") != str(ref):
                last_s = sent_s - start_s
                return None
        return True

    named = " and ".join(sorted({str(ref) for ref in refs}))
    stage.wait_for(settled, what=f"answers of {named}", limit_s=_LIMIT_S)
    return last_s


def _show_canary(stage: Stage, first: ModelRef, second: ModelRef) -> None:
    answers = {f"user-{number}": _answered_by(stage, f"user-{number}") for number in range(_CALLS)}
    counts = Counter(answers.values())
    table = plain_table("Lambent-Model", f"of {_CALLS} users", "share", right=(1, 2))
    for ref in (first, second):
        table.add_row(str(ref), str(counts[str(ref)]), f"{counts[str(ref)] / _CALLS:.0%}")
    stage.show(table)
    low, high = binom.interval(_CONFIDENCE, _CALLS, _CANARY_BP / 10_000)
    stage.check(
        low <= counts[str(second)] <= high,
        f"a canary at 20 % answers {counts[str(second)]} of {_CALLS} users; chance allows {low:.0f} to {high:.0f}",
        got=counts,
    )
    again = {key: _answered_by(stage, key) for key in list(answers)[:_REPEATED]}
    stage.check(
        all(answers[key] == version for key, version in again.items()),
        f"whoever asks again gets the same version ({_REPEATED} of {_REPEATED})",
        got=again,
    )


def _move(stage: Stage, move: Callable[[], LabelRecord], expected: ModelRef, word: str) -> float:
    record = move()
    took_s = _wait_until_answered(stage, [expected] * _ASKED)
    stage.check(
        record.version == expected.version and took_s < _REACHES_ALL_S * stage.patience,
        f"{word}: one conditional write, and {took_s:.1f} s later everybody gets {expected}",
        got=(record, took_s),
    )
    return took_s


def _picture(stage: Stage) -> bytes:
    return GoldenVectors.from_npz(stage.model.files[GOLDEN_FILE]).raw[0]


def _show_history(stage: Stage) -> None:
    table = plain_table("revision", "what", "stable", "canary", "by", "why", right=(0, 2))
    for move in _label(stage).history:
        canary = f"{move.canary.version} at {move.canary.weight_percent:g}%" if move.canary else ""
        by, why = move.change.by, move.change.why
        table.add_row(str(move.revision), move.action, str(move.version), canary, by, why)
    stage.show(table)
