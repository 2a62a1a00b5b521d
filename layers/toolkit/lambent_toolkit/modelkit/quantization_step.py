"""The step `lambent quantize`: every variant made and measured, and the one that Lambda serves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lambent.contracts.model import Classification
from lambent.domain.model import TFLITE_FILE, digest
from lambent_toolkit.modelkit.calibration import CALIBRATION_FILE, calibration_npz
from lambent_toolkit.modelkit.errors import QuantizedAlready, StepMissing, ValidationMissing
from lambent_toolkit.modelkit.evaluating.subject import QUANTIZATION_FILE
from lambent_toolkit.modelkit.float_model import FloatModel
from lambent_toolkit.modelkit.lane_distance import LaneLimits
from lambent_toolkit.modelkit.made_model import MadeModel
from lambent_toolkit.modelkit.quantization_choice import Rule, choose, contract_rule, fixed_choice
from lambent_toolkit.modelkit.quantization_limit import Limit, limit_of
from lambent_toolkit.modelkit.quantization_page import QUANTIZATION_PAGE, quantization_page
from lambent_toolkit.modelkit.quantization_report import Basis, QuantizationReport, Target
from lambent_toolkit.modelkit.step_files import to_json
from lambent_toolkit.modelkit.temperature import TemperatureFit, fit_temperature
from lambent_toolkit.modelkit.variant_files import VariantFiles, make_variants, remedy_files
from lambent_toolkit.modelkit.variant_measurement import Judge, Measured, measure_variants
from lambent_toolkit.modelkit.variants import REMEDIES, VARIANTS, ServedChoice, Variant, variant_file
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import write_together

QUANTIZED_FILES = (
    TFLITE_FILE,
    *(variant_file(variant) for variant in VARIANTS),
    CALIBRATION_FILE,
    QUANTIZATION_PAGE,
    QUANTIZATION_FILE,
)
FEWEST_VALIDATION_ITEMS = 10
_TOOLS = ("tensorflow", "keras", "numpy", "scipy", "ai-edge-litert")


@dataclass(frozen=True)
class Wish:
    """What `lambent quantize` is asked for.

    Parameters
    ----------
    variant    to serve, whatever the figures; "auto" chooses by them; None leaves it to the recipe
    limit      the most that may be lost, None for the contract's own
    target     what to make small
    basis      whether the loss or the upper end of its interval is held to the limit
    measured   which variants are made at all, beside float32 and the one to serve
    """

    variant: ServedChoice | None = None
    limit: Limit | None = None
    target: Target = "latency"
    basis: Basis = "estimate"
    measured: Sequence[Variant] = VARIANTS


def run_quantization(
    made: MadeModel, wish: Wish | None = None, *, stale_files: Iterable[str] = (), watcher: Watcher = SILENCE
) -> QuantizationReport:
    """Make and measure the variants of a model; leave the chosen one as model.tflite.

    Leaves variants/NAME.tflite, calibration.npz, quantization.html and, last, quantization.json. Nothing is written
    before everything is measured.

    Parameters
    ----------
    made
    wish
    stale_files   names of files that later steps made of the former model.tflite, to be removed with it
    watcher       is told of every step

    Raises
    ------
    QuantizedAlready     the model came as a .tflite file
    ValidationMissing    there are too few validation items
    ModelNotFinite       weights or answers are NaN or infinite
    ConversionFailed     the converter has no float32 form of the model
    ServingRefused       preprocessing refused an item
    ServingCheckFailed   the layers' packages preprocess otherwise than training did, or cannot be run
    LimitUnfit           the limit is in the unit of another kind of model
    NoVariantHolds       none keeps to the limit, or the one that was named has no figures
    StepMissing          a variant was named that only `lambent sensitivity` makes
    FolderNotWritable    nothing was changed
    """
    wish = wish or Wish()
    float_model, split = _float_model(made), made.split
    _check_validation(len(split.validation))
    judge = Judge(split.contract, split.validation, float_model.outputs(split.validation, split.contract))
    limit = limit_of(split.contract, judge.metric) if wish.limit is None else wish.limit.of(judge.metric)
    lanes = LaneLimits.of(split.contract.quality)
    rule = Rule(judge.metric, limit, wish.target, wish.basis, lanes)
    named = wish.variant or made.variant
    files = _all_files(made, float_model, wish, named, watcher)
    measured = measure_variants(split, files.files, judge, problems=files.problems, watcher=watcher)
    choice = choose(measured.rows, rule) if named == "auto" else fixed_choice(measured.rows, named, rule)
    fit = _fit(made, measured, choice.variant, judge)
    place = measured.place
    report = QuantizationReport(
        model=split.contract.name,
        metric=judge.metric,
        validation_items=len(split.validation),
        data_sha256=split.sha256,
        model_sha256=digest(files.files[choice.variant]),
        float_model=judge.float_figures(float_model),
        variants=measured.rows,
        choice=choice,
        calibration=files.calibration.figures if files.calibration else None,
        temperature=fit.figures,
        temperature_note=fit.note,
        changes=list(files.changes),
        unmeasured=judge.unmeasured,
        broken_limits=_broken_limits(made, measured, choice.variant, judge),
        runtime=f"{place.runtime} {place.versions[place.runtime]}",
        tools={name: version(name) for name in _TOOLS}
        | {f"serving {name}": number for name, number in place.versions.items()},
    )
    _write(made, files, report, quantization_page(report, fit, folder=str(made.folder)), stale_files)
    return report


def _float_model(made: MadeModel) -> FloatModel:
    if made.float_model is None:
        raise QuantizedAlready(
            f"The model in {made.folder} is a .tflite file already, there is nothing to quantize it from: run "
            "`lambent evaluate`."
        )
    return made.float_model


def _check_validation(items: int) -> None:
    if items < FEWEST_VALIDATION_ITEMS:
        raise ValidationMissing(
            f"The validation part has {items} items, at least {FEWEST_VALIDATION_ITEMS} are needed to measure what a "
            "variant loses: raise validation_share, or add data."
        )


def _all_files(made: MadeModel, float_model: FloatModel, wish: Wish, named: str, watcher: Watcher) -> VariantFiles:
    """Return the files of the variants asked for, and those that `lambent sensitivity` left for this model."""
    remedies = remedy_files(made.folder, float_model, made.split)
    if named in REMEDIES and named not in remedies:
        raise StepMissing(_no_remedy(made.folder, named))
    asked = [variant for variant in VARIANTS if variant in {*wish.measured, named}]
    files = make_variants(float_model, made.split, asked, watcher=watcher)
    return replace(files, files={**files.files, **remedies})


def _no_remedy(folder: Path, named: str) -> str:
    option = {"mixed": "--mixed", "qat": "--qat"}[named]
    return (
        f"There is no {variant_file(named)} of this very model and data in {folder}: run "
        f"`lambent sensitivity {folder} {option}` first."
    )


def _broken_limits(made: MadeModel, measured: Measured, variant: str, judge: Judge) -> list[str]:
    """Return the contract's own limits that a variant breaks: it may be named, or another limit asked for."""
    chosen = next(row.measured for row in measured.rows if row.variant == variant)
    return contract_rule(made.split.contract, judge.metric).broken(chosen.loss, chosen) if chosen else []


def _fit(made: MadeModel, measured: Measured, variant: str, judge: Judge) -> TemperatureFit:
    spec, validation = made.split.contract.postprocessing, made.split.validation
    if not isinstance(spec, Classification):
        return TemperatureFit(note="The model is no classifier: there are no scores to scale.")
    if judge.metric != "accuracy":
        return TemperatureFit(note="How often the best label is right is not known, so nothing is fitted to it.")
    answers = measured.answers[variant]
    rows = answers.outputs[spec.output or made.split.contract.outputs[0].name]
    rows = rows.reshape(len(rows), -1)
    return fit_temperature(rows, validation.targets.astype(np.int64), spec, output_step=answers.output_step)


def _write(
    made: MadeModel, files: VariantFiles, report: QuantizationReport, page: str, stale_files: Iterable[str]
) -> None:
    written = {
        TFLITE_FILE: files.files[report.choice.variant],
        **{variant_file(name): body for name, body in files.files.items()},
        QUANTIZATION_PAGE: page.encode(),
        QUANTIZATION_FILE: to_json(report),
    }
    if files.calibration:
        written[CALIBRATION_FILE] = calibration_npz(files.calibration, made.split)
    stale = [name for name in (*QUANTIZED_FILES, *stale_files) if name not in written]
    write_together(made.folder, written, last=QUANTIZATION_FILE, stale=stale)
