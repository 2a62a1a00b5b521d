"""card.md of an evaluated model: from its contract, its report, quantization.json and where it comes from."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from lambent.contracts.model import ModelContract
from lambent.domain.model import KERAS_FILE, TFLITE_FILE
from lambent_toolkit.modelkit.card import Figure, model_card
from lambent_toolkit.modelkit.evaluating.wording import NO_INTERVAL, key_figures, loss_text, percent, unmeasured_text
from lambent_toolkit.modelkit.importing.bring import import_provenance, import_record
from lambent_toolkit.modelkit.made_model import MadeModel
from lambent_toolkit.modelkit.quantization_report import QuantizationReport
from lambent_toolkit.modelkit.recipe import Recipe
from lambent_toolkit.modelkit.report import Report


def evaluated_card(
    made: MadeModel, contract: ModelContract, report: Report, quantization: QuantizationReport | None
) -> str:
    """Return the card as Markdown; nothing stands in it that was not measured or recorded."""
    return model_card(
        contract,
        figures=[*key_figures(report), *_speed(report)],
        quantization=_quantization(report, quantization),
        findings=_findings(report),
        data=_data(report),
        provenance=_provenance(made, report),
        description=_description(made.recipe) if made.recipe else None,
        files=[name for name in (TFLITE_FILE, KERAS_FILE) if (made.folder / name).exists()],
    )


def _findings(report: Report) -> list[str]:
    """Return what a reader must know before the figures: faults of the answers, and what nobody has measured."""
    told = unmeasured_text(report)
    return [*(each.text for each in report.findings or []), *([told] if told else [])]


def _speed(report: Report) -> list[Figure]:
    found = [Figure("size", f"{report.measured.size_bytes / 1000:.1f} kB", NO_INTERVAL)]
    if fast := report.measured.latency(1):
        found.append(Figure("latency of one row, one thread", f"p50 {fast.p50_ms:.3g} ms, p99 {fast.p99_ms:.3g} ms"))
    return found


def _quantization(report: Report, quantization: QuantizationReport | None) -> list[Figure]:
    found = [Figure("form", report.published, NO_INTERVAL)]
    if report.loss:
        found.append(Figure("against the float model, on test data", loss_text(report.loss, report), NO_INTERVAL))
    if report.measured.agreement is not None:
        found.append(Figure("answers as the float model does", percent(report.measured.agreement), NO_INTERVAL))
    if report.measured.score_difference is not None:
        apart = f"up to {report.measured.score_difference:.3f} for 99 of 100 items"
        found.append(Figure("scores of the CPU lane beside the GPU lane's", apart, NO_INTERVAL))
    if report.measured.output_error is not None:
        off = f"{report.measured.output_error:.2%} off"
        found.append(Figure("answers of the CPU lane beside the GPU lane's", off, NO_INTERVAL))
    if quantization:
        how = "chosen by what was measured" if quantization.choice.mode == "auto" else "named by its maker"
        found.append(Figure("choice of the form", f"{how}, on {quantization.validation_items} validation items"))
        found += [Figure("made for the converter", change, NO_INTERVAL) for change in quantization.changes]
        found += _forms(quantization)
        if quantization.temperature:
            fitted = quantization.temperature
            found.append(Figure("temperature, fitted after quantization", f"{fitted.temperature:.3g}", NO_INTERVAL))
    return found


def _forms(quantization: QuantizationReport) -> Iterator[Figure]:
    made = [row.variant for row in quantization.variants if row.measured]
    yield Figure("forms that convert and serve", ", ".join(made), NO_INTERVAL)
    for row in quantization.variants:
        if row.measured is None:
            yield Figure(f"{row.variant}, not to be had", (row.problem or "").rstrip("."), NO_INTERVAL)


def _data(report: Report) -> dict[str, str]:
    data = report.data
    return {
        "name": data.name,
        "items": f"{data.train_items} training, {data.validation_items} validation, {data.test_items} test",
        "sha256": data.sha256,
    }


def _provenance(made: MadeModel, report: Report) -> dict[str, str]:
    measured = {"model.tflite": f"sha256 {report.model_sha256}"}
    if made.recipe is None:
        return {**import_provenance(import_record(made.folder)), **measured, **report.tools}
    source = report.source
    trained = {
        "recipe": f"{source.name}, sha256 {source.sha256}",
        "training": f"{source.epochs} epochs, seed {source.seed}",
    }
    return {**trained, **measured, **report.tools}


def _description(recipe: Recipe) -> str | None:
    """Return the first paragraph of the recipe's own words on itself."""
    module = sys.modules.get(recipe.data.__module__)
    told = (module.__doc__ or "").strip() if module else ""
    return " ".join(told.split("\n\n", maxsplit=1)[0].split()) or None
