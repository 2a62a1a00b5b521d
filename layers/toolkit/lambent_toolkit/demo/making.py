"""Steps 1 to 4: train, quantize, evaluate, publish."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from lambent.domain.model import LIVE, ModelRef
from lambent_toolkit.cli.tables import checks_table, mistakes, plain_table, variants_table
from lambent_toolkit.cli.watch import ConsoleWatcher
from lambent_toolkit.demo.stage import DemoFailed, Stage
from lambent_toolkit.modelkit import quantization_tables
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.evaluating.page import REPORT_PAGE
from lambent_toolkit.modelkit.evaluating.tables import figures_table
from lambent_toolkit.modelkit.evaluating.wording import key_figures
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.quantization_page import QUANTIZATION_PAGE
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.training_page import TRAINING_PAGE
from lambent_toolkit.modelkit.workbench import Workbench
from lambent_toolkit.reporting.terminal import terminal_table

_MIN_ACCURACY = 0.95


def train(stage: Stage) -> None:
    """Step 1: the article's network on real handwritten digits."""
    recipe = RECIPES["digits"]
    stage.say("Conv2D 32 3x3 relu → MaxPooling2D 2x2 → Flatten → Dense 10 softmax; adam")
    with ConsoleWatcher(stage.console) as watcher:
        bench = Workbench(stage.folder, watcher=watcher)
        trained = bench.train(recipe)
    data, weights = bench.record().data, trained.model.count_params()
    first, last = trained.epochs[0], trained.epochs[-1]
    stage.say(f"{weights:,} weights, {last.epoch} epochs in {trained.training_s:.1f} s, seed {recipe.settings.seed}")
    stage.say(f"{data.train_items:,} digits to learn from, {data.test_items} held out")
    loss, end_loss = first.train["loss"], last.train["loss"]
    stage.say(f"[dim]curves: {stage.keep(stage.folder / TRAINING_PAGE)}[/]")
    stage.check(end_loss < loss / 5, f"the loss fell from {loss:.3f} to {end_loss:.3f}", got=end_loss)


def quantize(stage: Stage) -> None:
    """Step 2: five forms of the network, each measured on validation data where only Lambda's packages are."""
    with ConsoleWatcher(stage.console) as watcher:
        report = Workbench(stage.folder, watcher=watcher).quantize()
    for table in (quantization_tables.quality_table(report), quantization_tables.cost_table(report)):
        stage.show(terminal_table(table))
        stage.say("")
    for line in quantization_tables.sentences(report, str(stage.folder)):
        stage.say(escape(line))
    stage.say(f"[dim]Pareto plots: {stage.keep(stage.folder / QUANTIZATION_PAGE)}[/]")
    int8, float32 = report.row("int8").measured, report.row("float32").measured
    if int8 is None or float32 is None:
        raise DemoFailed("int8 or float32 could not be measured")
    share = int8.size_bytes / float32.size_bytes
    stage.check(share < 1 / 3, f"int8 has {share:.0%} of float32's size", got=share)
    stage.check(report.choice.holds_limit, f"it keeps to the contract's limit of {report.choice.limit:g} pt")


def evaluate(stage: Stage) -> None:
    """Step 3: the chosen form on test data, which no step before has looked at."""
    with ConsoleWatcher(stage.console) as watcher:
        report = Workbench(stage.folder, watcher=watcher).evaluate()
    stage.artifact = Artifact.read(stage.folder)
    before, after = report.variants["keras"].accuracy or 0.0, report.measured.accuracy or 0.0
    stage.show(variants_table(report))
    stage.show(terminal_table(figures_table(key_figures(report))))
    stage.say(f"[dim]{report.published} on {report.data.test_items} held-out digits, {mistakes(report)}[/]")
    stage.say(f"[dim]confusion, reliability, mistakes: {stage.keep(stage.folder / REPORT_PAGE)}[/]")
    stage.check(after >= _MIN_ACCURACY, f"{report.published} is right for {after:.1%} of the held-out digits")
    stage.proven("the serving interpreter preprocesses every test picture to the same bits as training did")
    stage.figures[f"accuracy Keras → {report.published}"] = f"{before:.1%} → {after:.1%}"


def publish(stage: Stage) -> None:
    """Step 4: past the gate to an immutable version, and the label that serving follows."""
    checks = check_artifact(stage.model)
    stage.show(checks_table(checks))
    open_gate(checks, is_forced=False)
    publisher = Publisher(stage.stack)
    record = publisher.publish(stage.model)
    publisher.set_label(stage.model_name, LIVE, record.ref.version)
    stage.show(_stored_files(stage, record.ref))
    stage.say(f"the manifest, sha256 {record.manifest_sha256[:16]}…, was written last; it pins every other file")
    answer = stage.http.get(f"/models/{stage.model_name}")
    stage.check(
        answer.is_success and answer.json()["labels"].get(LIVE) == str(record.ref.version),
        f"GET /models/{stage.model_name} tells of version {record.ref.version} with the label {LIVE}",
        got=answer.text,
    )


def _stored_files(stage: Stage, ref: ModelRef) -> Table:
    table = plain_table("models bucket", "size", right=(1,))
    listed = stage.s3.list_objects_v2(Bucket=stage.stack.buckets["models"], Prefix=ref.key(""))
    for entry in listed["Contents"]:
        table.add_row(entry["Key"], f"{entry['Size'] / 1000:.1f} kB")
    return table
