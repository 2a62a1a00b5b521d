"""report.html: what was measured of a model, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lambent.contracts.model import Classification, Regression
from lambent_toolkit.modelkit.evaluating import page_classifier, page_regression, page_several_labels
from lambent_toolkit.modelkit.evaluating.answers import answer_rows, numbers, score
from lambent_toolkit.modelkit.evaluating.evaluation import Evaluation
from lambent_toolkit.modelkit.evaluating.items import item_shower
from lambent_toolkit.modelkit.evaluating.tables import (
    baselines_table,
    figures_table,
    latencies_table,
    slices_table,
    variants_table,
)
from lambent_toolkit.modelkit.evaluating.wording import (
    key_figures,
    left_out_text,
    loss_text,
    percent,
    unmeasured_text,
)
from lambent_toolkit.modelkit.report import Report
from lambent_toolkit.reporting.page import (
    Block,
    Column,
    KeyFigure,
    KeyFigures,
    Notice,
    Page,
    Prose,
    Section,
    Table,
    render_page,
)
from lambent_toolkit.reporting.plots import Interval, interval_plot

REPORT_PAGE = "report.html"


def report_page(evaluation: Evaluation) -> str:
    """Return report.html of an evaluation."""
    report = evaluation.report
    page = Page(
        title=f"Evaluation of {evaluation.subject.name}",
        subtitle=f"{report.published}, sha256 {report.model_sha256[:12]}…, on {report.data.test_items} test items of "
        f"{report.data.name} that no step before has looked at",
        sections=(
            Section("In short", _in_short(evaluation)),
            *_baselines(report),
            *_task_sections(evaluation),
            *_slices(report),
            Section("Against the float model, and how fast", _variants(report)),
            Section("How it was measured", _method(report)),
            Section("Versions and digests", (_versions(report),), is_folded=True),
        ),
    )
    return render_page(page)


def _in_short(evaluation: Evaluation) -> Sequence[Block]:
    report, large = evaluation.report, []
    if report.classification:
        large = page_classifier.key_figures(report.classification, report.data.test_items)
    if report.several_labels:
        large = page_several_labels.key_figures(report.several_labels, report.data.test_items)
    if report.regression:
        large = page_regression.key_figures(report.regression, report.data.test_items)
    large.append(KeyFigure("size", f"{report.measured.size_bytes / 1000:.1f} kB", report.published))
    if fast := report.measured.latency(1):
        large.append(KeyFigure("latency, p50", f"{fast.p50_ms:.3f} ms", f"p99 {fast.p99_ms:.3f} ms, one thread"))
    notices: list[Block] = [Notice(each.text, "bad") for each in report.findings or []]
    if told := unmeasured_text(report):
        notices.append(Notice(told, "warning"))
    notices += [Notice(text, "warning") for text in report.warnings]
    if report.classification and report.classification.note:
        notices.append(Notice(report.classification.note))
    notices += [Notice(text, "bad") for text in _worse_slices(report)]
    return [KeyFigures(large), *notices, figures_table(key_figures(report))]


def _baselines(report: Report) -> list[Section]:
    if not report.baselines:
        return []
    told = (
        "Constant answers come from the training part. Model and constant answer the same test items: the interval of "
        "a difference of accuracies is Tango's for paired proportions, that of errors a paired bootstrap. The answer "
        "of the nearest training item, by the distance of the tensors, stands beside where it is cheap; a model need "
        "not beat it."
    )
    blocks: list[Block] = [baselines_table(report), Prose(told)]
    if any(each.is_forecast for each in report.baselines):
        blocks.append(
            Prose(
                "Forecasts are made of the past of the series alone, item by item; each has to be beaten, in RMSE or "
                "in MAE. The MASE is the MAE in units of what the last of them errs by on the training part (Hyndman "
                "and Koehler, 2006): below 1, the model is the better forecast."
            )
        )
    if report.several_labels:
        blocks.append(
            Prose(
                "What the mean average precision would be if the scores said nothing is the mean over permutations of "
                "the test items, each keeping its labels; the p-value is the share of them that reach the model's."
            )
        )
    if left_out := left_out_text(report):
        blocks.append(Prose(left_out))
    return [Section("Better than guessing?", blocks)]


def _worse_slices(report: Report) -> list[str]:
    worse = [f"{each.column} = {each.value}" for each in report.slices if each.is_worse]
    return [f"Worse on a part of the data than on the rest: {', '.join(worse)}."] if worse else []


def _task_sections(evaluation: Evaluation) -> list[Section]:
    report, subject, part = evaluation.report, evaluation.subject, evaluation.part
    spec, show = subject.contract.postprocessing, item_shower(part.items, subject.contract)
    outputs = evaluation.measured.outputs[subject.published]
    if report.classification and isinstance(spec, Classification):
        scores = score(answer_rows(outputs, subject.contract, of=subject.name), spec).scores
        return page_classifier.sections(report.classification, scores, part.targets.astype(np.int64), show)
    if report.several_labels:
        return page_several_labels.sections(report.several_labels)
    if report.regression and isinstance(spec, Regression):
        values = numbers(answer_rows(outputs, subject.contract, of=subject.name), spec)
        return page_regression.sections(report.regression, values, part.targets.astype(np.float64), show)
    return []


def _slices(report: Report) -> list[Section]:
    if not report.slices:
        return []
    is_accuracy = report.slice_metric == "accuracy"
    scale = 100 if is_accuracy else 1
    unit = "%" if is_accuracy else (report.regression.unit if report.regression else None)
    name = "accuracy" if is_accuracy else "RMSE"
    overall = report.classification.accuracy if report.classification else None
    overall = report.regression.rmse if report.regression else overall
    found = [
        Interval(
            f"{each.column} = {each.value}",
            scale * each.metric.value,
            scale * (each.metric.value if each.metric.low is None else each.metric.low),
            scale * (each.metric.value if each.metric.high is None else each.metric.high),
            f"n = {each.items}",
        )
        for each in report.slices
    ]
    plot = interval_plot(
        found,
        axis=f"{name} ({unit})" if unit else name,
        reference=("all items", scale * overall.value) if overall else None,
        alt=f"{name} of {len(found)} slices with 95 % intervals.",
        caption=f"{name[0].upper()}{name[1:]} on parts of the data. Bars are 95 % intervals; the dashed line is all "
        "items together.",
    )
    tested = sum(each.p_value is not None for each in report.slices)
    test = "Fisher's exact test on right and wrong" if is_accuracy else "Mann and Whitney's U on absolute errors"
    told = (
        f"Whether a slice is worse than all other items is tested one-sided, by {test}, {tested} times; p-values are "
        "corrected for that (Benjamini and Yekutieli), and 0.05 after the correction counts as worse. A slice that is "
        "not shown to be worse may still be so: look at its interval."
    )
    return [Section("Parts of the data", (plot, slices_table(report.slices, report), Prose(told)))]


def _variants(report: Report) -> Sequence[Block]:
    blocks: list[Block] = []
    if report.loss:
        blocks.append(
            Prose(f"The {report.published} file beside {report.reference}: {loss_text(report.loss, report)}.")
        )
    elif report.reference is None:
        blocks.append(Prose("A .tflite file was imported: there is no float model to hold it against."))
    return [*blocks, variants_table(report), latencies_table(report)]


def _method(report: Report) -> Sequence[Block]:
    data = report.data
    where = (
        f"The .tflite files ran in the serving interpreter ({report.measured.runtime}), in a process with the layers' "
        "packages only, from raw items on; its tensors were those of training, bit for bit. Scores, threshold and "
        "temperature are applied by the code that serves."
    )
    how_sure = (
        f"Intervals are 95 % percentile intervals of {report.resamples} bootstrap resamples of the items (seed "
        f"{report.bootstrap_seed}, not stratified). Where no resample differs, a share has Wilson's interval, and "
        "other figures have none."
    )
    on_what = (
        f"Of {data.name}, {data.train_items} items are for training, {data.validation_items} for choosing the variant "
        f"and the temperature; these {data.test_items} are for measuring alone."
    )
    told = [where, how_sure, on_what]
    if report.classification and report.classification.answered < 1:
        told.append(
            f"Below a score of {report.classification.threshold:g} the model does not answer, which counts as wrong; "
            f"it answers {percent(report.classification.answered)} of the items."
        )
    return [Prose(each) for each in told]


def _versions(report: Report) -> Table:
    source = report.source
    rows = [
        [f"sha256 of model.tflite ({report.published})", report.model_sha256],
        ["sha256 of the data", report.data.sha256],
        [f"{source.kind} {source.name}", source.sha256],
    ]
    rows += [["seed, epochs", f"{source.seed}, {source.epochs}"]] if source.seed is not None else []
    rows += [[tool, number] for tool, number in report.tools.items()]
    return Table((Column("what"), Column("version or digest")), rows)
