"""Data sets in use: recipes learn from them, steps find them by name, and S3 is read by the command itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from moto.server import ThreadedMotoServer
from trained import FOREIGN_WARNINGS

from lambent_toolkit.modelkit.data_source import find_data
from lambent_toolkit.modelkit.datasets import DataSet
from lambent_toolkit.modelkit.errors import DataUnknown
from lambent_toolkit.modelkit.splitting import PARTS
from lambent_toolkit.sandbox.stack_info import StackInfo
from made_data import add, colours, digits, write_digits, write_lines
from patience import wait_for

pytestmark = [FOREIGN_WARNINGS]

RECIPE = '''
"""Digits of a data set."""
import numpy as np

from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract, TensorSpec
from lambent_toolkit.modelkit.datasets import DataSet
from lambent_toolkit.modelkit.recipe import Declaration, HyperParameters


class Settings(HyperParameters, frozen=True, kw_only=True):
    epochs: int = 2


def data(settings):
    return DataSet.open("digits")


def contract(train, settings):
    assert set(train.slices) == set()
    return Declaration(ModelContract(
        name="nought-or-one",
        inputs=(TensorSpec(name="image", datatype="FP32", shape=(-1, 8, 8, 1)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, len(train.labels))),),
        preprocessing=ImagePreprocessing(height=8, width=8, channels=1),
        postprocessing=Classification(labels=train.labels),
    ))


def model(contract, settings):
    import keras

    network = keras.Sequential([
        keras.Input((8, 8, 1), name="image"),
        keras.layers.Flatten(),
        keras.layers.Dense(2, activation="softmax", name="scores"),
    ])
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return network
'''


def lambent(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lambent_toolkit.cli.main", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_recipe_learns_from_a_data_set_and_refuses_it_once_a_picture_changed(tmp_path: Path) -> None:
    write_digits(tmp_path / "digits", classes="01", each=60)
    (tmp_path / "recipe.py").write_text(RECIPE)

    added = lambent("data", "add", "digits", "digits", cwd=tmp_path)
    trained = lambent("train", "recipe.py", "--out", "model", cwd=tmp_path)

    assert added.returncode == 0, added.stderr
    assert trained.returncode == 0, trained.stderr
    record = msgspec.json.decode((tmp_path / "model" / "training.json").read_bytes())
    counts = DataSet.open("digits", store=tmp_path / ".lambent/data").record.counts
    assert record["data"]["train_items"] == counts.train
    assert record["data"]["name"] == "digits@1"
    assert record["data"]["validation_items"] == counts.validation

    (tmp_path / "digits/1/000.png").write_bytes(digits()[0][0])
    refused = lambent("train", "recipe.py", "--out", "model", cwd=tmp_path)

    assert refused.returncode == 83
    assert "1/000.png, an item of digits@1, has changed" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_data_sets_are_found_by_name_beside_the_data_of_recipes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    add("colours", write_lines(tmp_path / "c.jsonl", colours()), Path(".lambent/data"))

    found = find_data("colours@1")

    assert (found.name, found.labels) == ("colours@1", ("blue", "red"))
    assert sum(len(found.items(part)) for part in PARTS) == 20
    with pytest.raises(DataUnknown, match=r"no data set 'reds' .* there are: colours.* Or name a recipe.*digits"):
        find_data("reds")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of a moto server of its own, to which the SDK's variables point."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield boto3.client("s3")
    server.stop()


def test_command_adds_an_s3_prefix_and_the_library_reads_it_by_the_sdks_own_variables(s3: Any, tmp_path: Path) -> None:
    s3.create_bucket(Bucket="pictures")
    for path in write_digits(tmp_path / "digits", classes="012", each=8).rglob("*.png"):
        s3.upload_file(str(path), "pictures", f"d/{path.relative_to(tmp_path / 'digits')}")
    s3.put_object(Bucket="pictures", Key="d/0/notes.txt", Body=b"these are noughts")

    refused = lambent("data", "add", "digits", "s3://pictures/d", cwd=tmp_path)
    done = lambent("data", "add", "digits", "s3://pictures/d", "--skip-unreadable", cwd=tmp_path)
    missing = lambent("data", "add", "digits", "s3://no-such-bucket-here/d", cwd=tmp_path)

    assert (refused.returncode, done.returncode, missing.returncode) == (81, 0, 80)
    assert "0/notes.txt: The content looks like text" in refused.stderr
    assert "24 pictures of 3 classes" in done.stdout
    assert "NoSuchBucket" in missing.stderr
    data = DataSet.open("digits", store=tmp_path / ".lambent/data")
    assert sum(len(data.items(part)) for part in PARTS) == 24


def test_s3_of_a_local_stack_is_read_whatever_the_sdks_variables_say(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.create_bucket(Bucket="texts")
    s3.upload_file(str(write_lines(tmp_path / "c.jsonl", colours())), "texts", "c.jsonl")
    nothing: dict[str, Any] = {key: {} for key in ("buckets", "queues", "functions", "resources")}
    words = dict.fromkeys(("name", "url", "api_key", "api_key_id", "table", "topic", "logs"), "x")
    StackInfo(
        endpoint=s3.meta.endpoint_url, region="us-east-1", retry_scale=1.0, pid=os.getpid(), **words, **nothing
    ).write(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    done = lambent("data", "add", "colours", "s3://texts/c.jsonl", "--state", ".", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "20 texts of 2 classes" in done.stdout
    assert f"export AWS_ENDPOINT_URL={s3.meta.endpoint_url} " in done.stdout


def test_disk_that_is_full_is_told_and_nothing_is_half_added(tmp_path: Path) -> None:
    write_lines(tmp_path / "c.jsonl", colours(400))
    # The kernel refuses to make any file larger than 16 KiB, as a full disk would.
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from lambent_toolkit.cli.main import app; resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384));"
        "sys.argv = ['lambent', 'data', 'add', 'colours', 'c.jsonl']; app()"
    )

    done = subprocess.run(
        [sys.executable, "-B", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 43, done.stderr
    assert "Cannot write in" in done.stderr
    assert list((tmp_path / ".lambent/data").iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_command_leaves_no_version_and_the_next_one_succeeds(tmp_path: Path, how: signal.Signals) -> None:
    write_lines(tmp_path / "c.jsonl", colours())
    # Stops where the files are on the disk and the version has not appeared yet.
    program = (
        "import pathlib, signal, sys;"
        "from lambent_toolkit.cli.main import app; rename = pathlib.Path.rename;"
        "stop = lambda self, target: (pathlib.Path('reached').touch(), signal.pause(), rename(self, target));"
        "pathlib.Path.rename = stop;"
        "sys.argv = ['lambent', 'data', 'add', 'colours', 'c.jsonl']; app()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        wait_for(lambda: (tmp_path / "reached").exists() or running.poll() is not None, what="the renaming")
        running.send_signal(how)
        code = running.wait()
    assert code == (-signal.SIGKILL if how is signal.SIGKILL else 130)

    listed = lambent("data", "list", cwd=tmp_path)
    added = lambent("data", "add", "colours", "c.jsonl", cwd=tmp_path)

    assert "No data sets" in listed.stdout
    assert added.returncode == 0, added.stderr
    assert sorted(path.name for path in (tmp_path / ".lambent/data").iterdir()) == ["colours"]
    assert sorted(path.name for path in (tmp_path / ".lambent/data/colours").iterdir()) == ["1"]
