"""Model commands: quick help, and failures that say what to do and have an exit code of their own."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lambent_toolkit.cli import evaluate, model, quantize, registry, train

HEAVY = ("tensorflow", "keras", "numpy", "sklearn", "boto3", "lambent")


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    model.register(app)
    quantize.register(app)
    evaluate.register(app)
    registry.register(app)
    train.register(app)
    return app


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["train", "cats", "--out", "x"], 11, "There is no recipe 'cats'"),
        (["quantize", "nowhere"], 12, "run `lambent train` first"),
        (["evaluate", "nowhere"], 12, "run `lambent train` first"),
        (["publish", "nowhere", "--state", "nowhere"], 8, "no local stack"),
        (["models", "--state", "nowhere"], 8, "no local stack"),
        (["label", "set", "digits", "live", "1", "--state", "nowhere"], 8, "no local stack"),
        (["canary", "digits", "2", "--weight", "10%", "--state", "nowhere"], 8, "no local stack"),
        (["canary", "digits", "2", "--weight", "100%"], 20, "more than 0% and less than 100%"),
        (["canary", "digits", "2", "--weight", "1"], 20, "write 1%"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_failure_ends_with_its_exit_code_and_a_remedy(
    app: typer.Typer,
    arguments: list[str],
    exit_code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == exit_code
    assert said in result.stderr.replace("\n", " ")


def test_loading_the_commands_imports_nothing_heavy() -> None:
    modules = "lambent_toolkit.cli.model, lambent_toolkit.cli.quantize, lambent_toolkit.cli.registry"
    program = f"import sys; import {modules}; print([m for m in {HEAVY} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_quantize_prints_figures_choice_and_where_the_plots_are(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lambent_toolkit.modelkit.workbench import Workbench
    from quantized import report, row

    told = report(row("float32"), row("dynamic", loss=0.2, p50_ms=3.0), row("int8", loss=3.5))
    asked = []
    monkeypatch.setattr(Workbench, "quantize", lambda _bench, wish, data: asked.append((wish, data)) or told)

    result = CliRunner().invoke(
        app,
        ["quantize", "models/x", "--max-drop", "0.5pt", "--target", "size", "--variant", "auto", "--data", "beetles"],
    )

    assert result.exit_code == 0, result.output
    wish, data = asked[0]
    assert (wish.variant, wish.limit.number, wish.limit.unit, wish.target, data) == (
        "auto",
        0.5,
        "pt",
        "size",
        "beetles",
    )
    assert "✗ 3.50" in result.output
    assert "drop 3.50 pt" in result.output
    assert "`lambent sensitivity models/x --mixed --qat`" in result.output
    assert "Temperature 1.700" in result.output
    assert "Plots: models/x/quantization.html" in result.output
    assert "Next: lambent evaluate models/x --data beetles" in result.output
    assert max(map(len, result.output.splitlines()[:20])) <= 100


def test_a_limit_that_is_none_ends_quantize_with_its_exit_code(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["quantize", "nowhere", "--max-drop", "half"])

    assert result.exit_code == 44
    assert "write 0.5pt" in result.stderr
