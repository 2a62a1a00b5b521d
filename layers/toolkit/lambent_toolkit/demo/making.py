"""Steps 1 to 3: train, quantize and evaluate, publish."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from lambent.domain.model import LIVE, ModelRef
from lambent_toolkit.cli.tables import checks_table, mistakes, plain_table, variants_table
from lambent_toolkit.cli.watch import ConsoleWatcher
from lambent_toolkit.demo.stage import MODEL, Stage
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.quantization_tables import cost_table, quality_table, sentences
from lambent_toolkit.modelkit.recipes import RECIPES
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
    stage.check(end_loss < loss / 5, f"the loss fell from {loss:.3f} to {end_loss:.3f}", got=end_loss)


def evaluate(stage: Stage) -> None:
    """Step 2: five forms of the model and the one that is served, measured where only Lambda's packages are."""
    with ConsoleWatcher(stage.console) as watcher:
        bench = Workbench(stage.folder, watcher=watcher)
        quantized = bench.quantize()
        report = bench.evaluate()
    stage.artifact = Artifact.read(stage.folder)
    stage.show(terminal_table(quality_table(quantized)))
    stage.show(terminal_table(cost_table(quantized)))
    for line in sentences(quantized, str(stage.folder)):
        stage.say(escape(line))
    keras, int8 = report.variants["keras"], report.variants["int8"]
    before, after = keras.accuracy or 0.0, int8.accuracy or 0.0
    stage.show(variants_table(report))
    stage.say(f"[dim]int8 on {report.data.test_items} held-out digits, {mistakes(report)}[/]")
    stage.check(after >= _MIN_ACCURACY, f"int8 is right for {after:.1%} of the held-out digits")
    stage.check(
        int8.size_bytes * 3 < keras.size_bytes, f"int8 has {int8.size_bytes / keras.size_bytes:.0%} of the size"
    )
    stage.proven("the serving interpreter preprocesses every test picture to the same bits as training did")
    stage.figures["accuracy Keras → int8"] = f"{before:.1%} → {after:.1%}"


def publish(stage: Stage) -> None:
    """Step 3: past the gate to an immutable version, and the label that serving follows."""
    checks = check_artifact(stage.model)
    stage.show(checks_table(checks))
    open_gate(checks, is_forced=False)
    publisher = Publisher(stage.stack)
    record = publisher.publish(stage.model)
    publisher.set_label(MODEL, LIVE, record.ref.version)
    stage.show(_stored_files(stage, record.ref))
    stage.say(f"the manifest, sha256 {record.manifest_sha256[:16]}…, was written last; it pins every other file")
    answer = stage.http.get(f"/models/{MODEL}")
    stage.check(
        answer.is_success and answer.json()["labels"].get(LIVE) == str(record.ref.version),
        f"GET /models/{MODEL} tells of version {record.ref.version} with the label {LIVE}",
        got=answer.text,
    )


def _stored_files(stage: Stage, ref: ModelRef) -> Table:
    table = plain_table("models bucket", "size", right=(1,))
    listed = stage.s3.list_objects_v2(Bucket=stage.stack.buckets["models"], Prefix=ref.key(""))
    for entry in listed["Contents"]:
        table.add_row(entry["Key"], f"{entry['Size'] / 1000:.1f} kB")
    return table
