"""The program of a job, in the worker's image: unpack the bundle, run the step, leave the result.

    python -m lambent_toolkit.remote.job train --tenant T --run ID --bundle SHA256

Exit codes, which the job definition's retry strategy reads: 0 there is a result; 75 stopped by SIGTERM, or something
was temporarily unavailable: another attempt goes on from the last checkpoint; 65 the step failed as it would fail
again, or no GPU is visible that was promised; 70 a fault of this program, which would be there again too. Both have
left outcome.json.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lambent.adapters.worker_host import check_worker
from lambent.errors import LambentError
from lambent.ports import ObjectStore
from lambent_toolkit.modelkit.errors import (
    ImageOutdated,
    ModelkitError,
    RunUnreadable,
    SourceUnavailable,
    TrainingInterrupted,
)
from lambent_toolkit.modelkit.stopping import Stop
from lambent_toolkit.modelkit.whole_files import telling_of_full_disks
from lambent_toolkit.remote.bundle import HERE, MAX_BUNDLE_BYTES, Order, RecipeOrder, VersionOrder, unpack
from lambent_toolkit.remote.log_watcher import LogWatcher
from lambent_toolkit.remote.records import TASKS, Outcome, ResultFile, RunKeys, decode, encode
from lambent_toolkit.remote.tools import tools

if TYPE_CHECKING:
    from lambent_toolkit.modelkit.recipe import Recipe

EXIT_DONE = 0
EXIT_FAILED = 65
EXIT_FAULT = 70
EXIT_AGAIN = 75
# Exit code, on the machine of who asked, of what is no error of a step.
_SERVICE_REFUSED = 20
_FAULT = 1
_OUT = "out"
_JSON, _BINARY = "application/json", "application/octet-stream"


@dataclass(frozen=True)
class Job:
    """One attempt at a run.

    Parameters
    ----------
    store           the data bucket
    keys            of the run
    bundle_sha256   of what is to be unpacked
    folder          an empty one, for everything
    stop            is asked by SIGTERM
    needs_gpu       whether to end at once where TensorFlow sees none
    """

    store: ObjectStore
    keys: RunKeys
    bundle_sha256: str
    folder: Path
    stop: Stop = field(default_factory=Stop)
    needs_gpu: bool = False

    def run(self) -> int:
        """Run the step, and return the exit code; an attempt that finds a result has nothing to do."""
        code = EXIT_DONE
        try:
            if not self._has_result():
                self._finish(self._step(self._unpacked()))
        except (KeyboardInterrupt, TrainingInterrupted):
            code = _again("Stopped by SIGTERM; another attempt goes on from the last checkpoint.")
        except SourceUnavailable as exc:
            code = _again(str(exc))
        except ModelkitError as exc:
            code = self._fail(str(exc), exit_code=exc.exit_code)
        except LambentError as exc:
            told = f"{exc.detail} ({exc.code})"
            code = self._fail(told, exit_code=_SERVICE_REFUSED) if exc.is_final else _again(told)
        # The top of the program: whoever waits for the run is told, and the log has the traceback.
        except Exception as exc:  # noqa: BLE001
            traceback.print_exc()
            self._fail(f"A fault of the job itself, {type(exc).__name__}: {exc}", exit_code=_FAULT)
            code = EXIT_FAULT
        return code

    def _has_result(self) -> bool:
        if self.store.etag(self.keys.outcome) is None:
            return False
        return decode(self.store.read(self.keys.outcome).body, Outcome, where="outcome.json").is_good

    def _unpacked(self) -> Order:
        bundle = self.folder / "bundle.zip"
        with telling_of_full_disks(self.folder), bundle.open("wb") as file:
            key = self.keys.bundle(self.bundle_sha256)
            found = self.store.download(key, file, max_bytes=2 * MAX_BUNDLE_BYTES)
        if found.sha256 != self.bundle_sha256:
            raise RunUnreadable(f"The bundle has the sha256 {found.sha256[:12]}…, not {self.bundle_sha256[:12]}….")
        order = unpack(bundle, self.folder)
        bundle.unlink()
        check_tools(order.tools)
        return order

    def _step(self, order: Order) -> Mapping[str, Path]:
        """Run what was ordered where its files lie; return the files of the result by their names."""
        check_worker("tensorflow", needs_gpu=self.needs_gpu)
        os.chdir(self.folder / HERE)
        return self._evaluate(order) if order.task == "evaluate" else self._train(order)

    def _train(self, order: Order) -> Mapping[str, Path]:
        from lambent_toolkit.modelkit.training_progress import describe
        from lambent_toolkit.modelkit.training_step import run_training
        from lambent_toolkit.remote.mirror import Mirror

        out, watcher = self.folder / _OUT, LogWatcher()
        out.mkdir()
        mirror = Mirror(self.store, self.keys.state, out)
        mirror.restore()
        recipe = ordered_recipe(order.recipe)
        trained = run_training(out, recipe, on_checkpoint=mirror.save, stop=self.stop, watcher=watcher)
        watcher.tell(f"The model has the weights of epoch {trained.best_epoch}: {describe(trained.best)}.")
        return {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if path.is_file()}

    def _evaluate(self, order: Order) -> Mapping[str, Path]:
        from lambent_toolkit.modelkit.evaluation_step import MEASURED_FILES, run_evaluation
        from lambent_toolkit.modelkit.made_model import open_model

        folder = self.folder / HERE / str(order.model)
        if order.version is not None:
            return self._evaluate_version(order.version, folder, data_name=order.data or "")
        recipe = ordered_recipe(order.recipe) if order.recipe else None
        run_evaluation(open_model(folder, data=order.data, recipe=recipe), watcher=LogWatcher())
        return {name: folder / name for name in MEASURED_FILES if (folder / name).exists()}

    def _evaluate_version(self, version: VersionOrder, folder: Path, *, data_name: str) -> Mapping[str, Path]:
        from lambent_toolkit.modelkit.evaluating.subject import subject_of_files
        from lambent_toolkit.modelkit.named_models import run_version_evaluation

        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        subject = subject_of_files(files, name=version.name, sha256=version.manifest_sha256)
        out = self.folder / _OUT
        run_version_evaluation(subject, out, data_name=data_name, watcher=LogWatcher())
        return {path.name: path for path in out.iterdir()}

    def _finish(self, results: Mapping[str, Path]) -> None:
        files = {}
        for name, path in results.items():
            body = path.read_bytes()
            self.store.write(self.keys.results + name, body, content_type=_BINARY)
            files[name] = ResultFile(sha256(body).hexdigest(), len(body))
        self._tell(Outcome(exit_code=0, files=files))
        for kept in list(self.store.listing(self.keys.state)):
            self.store.delete(kept.key)

    def _fail(self, message: str, *, exit_code: int) -> int:
        print(f"✗ {message}", flush=True)
        self._tell(Outcome(exit_code=exit_code, message=message))
        return EXIT_FAILED

    def _tell(self, outcome: Outcome) -> None:
        self.store.write(self.keys.outcome, encode(outcome), content_type=_JSON)


def _again(message: str) -> int:
    print(message, flush=True)
    return EXIT_AGAIN


def check_tools(asked: Mapping[str, str]) -> None:
    """Raise ImageOutdated unless this process has the packages of the machine that sent the job."""
    here = tools()
    others = [f"{name} {here.get(name)}, not {wanted}" for name, wanted in asked.items() if here.get(name) != wanted]
    if others:
        raise ImageOutdated(
            f"The worker's image has {'; '.join(others)}: build it of the sources that `lambent` runs from, with "
            "TensorFlow, push it and deploy with its WorkerImageUri."
        )


def ordered_recipe(order: RecipeOrder | None) -> Recipe:
    """Return the recipe of an order, with its settings, in the working directory.

    Raises
    ------
    RecipeFailed    its file raises
    RunUnreadable   the order names none, or settings that it does not have
    """
    from msgspec import ValidationError

    from lambent_toolkit.modelkit.recipe import Origin
    from lambent_toolkit.modelkit.recipes import find_recipe

    if order is None:
        raise RunUnreadable("The bundle's order names no recipe.")
    placed = {setting: str(Path(path).resolve()) for setting, path in order.placed.items()}
    try:
        recipe = find_recipe(order.name).having(**{**order.settings, **placed})
    except (TypeError, ValidationError) as exc:
        raise RunUnreadable(f"The bundle's settings are not those of {order.name} ({exc}).") from exc
    return replace(recipe, origin=Origin(order.origin_name, order.origin_settings))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job that the command names; see `lambent_toolkit.remote.keeper` for what it may reach."""
    from lambent.adapters.clients import client
    from lambent.adapters.s3 import S3ObjectStore
    from lambent.runtime.settings import TrainingSettings, load_settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=TASKS)
    for name in ("tenant", "run", "bundle"):
        parser.add_argument(f"--{name}", required=True)
    asked = parser.parse_args(arguments)
    stop = Stop()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.ask())
    settings = load_settings(TrainingSettings)
    keys = RunKeys(asked.tenant, asked.run)
    with TemporaryDirectory(prefix="lambent-run-") as folder:
        store = S3ObjectStore(client("s3"), settings.data_bucket, what="data store")
        return Job(store, keys, asked.bundle, Path(folder), stop, needs_gpu=settings.worker_needs_gpu).run()


if __name__ == "__main__":
    sys.exit(main())
