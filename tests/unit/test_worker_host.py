"""A worker without what its job was promised ends before its work, and says what is missing and how to mend it."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import get_native_id
from types import SimpleNamespace

import pytest

from lambent.adapters.host import step_behind
from lambent.adapters.worker_host import check_worker
from lambent.errors import Misconfigured, WorkerUnfit

BACKENDS = "lambent.adapters.keras_backends"


@pytest.fixture
def sees_gpu(monkeypatch: pytest.MonkeyPatch):
    """Make the backend see a GPU or none, without the seconds that it takes to be imported."""

    def sees_gpu(is_there: bool) -> None:
        monkeypatch.setitem(sys.modules, BACKENDS, SimpleNamespace(has_gpu=lambda: is_there))

    return sees_gpu


def test_job_that_was_promised_a_gpu_ends_where_none_is_visible(sees_gpu) -> None:
    sees_gpu(False)

    with pytest.raises(
        WorkerUnfit, match=r"No GPU visible to tensorflow .* Build the image .* WorkerImageUri"
    ) as caught:
        check_worker("tensorflow", needs_gpu=True)

    error = caught.value.to_dict()
    assert (error["code"], error["field"], error["limit"], error["got"]) == ("worker_unfit", "WORKER_NEEDS_GPU", 1, 0)


def test_job_that_was_promised_a_gpu_runs_where_one_is_visible(sees_gpu) -> None:
    sees_gpu(True)

    check_worker("tensorflow", needs_gpu=True)


def test_job_that_was_promised_none_does_not_even_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, BACKENDS, None)  # to import it would raise

    check_worker("tensorflow", needs_gpu=False)


@pytest.mark.parametrize("needs_gpu", [True, False])
def test_image_without_the_backend_says_which_and_how_to_get_it(needs_gpu: bool) -> None:
    with pytest.raises(WorkerUnfit, match=r"has no jaxless.*--build-arg BACKEND=jaxless; or deploy with WorkerBackend"):
        check_worker("jaxless", needs_gpu=needs_gpu)


def test_no_attempt_of_the_same_image_would_mend_it() -> None:
    assert issubclass(WorkerUnfit, Misconfigured)
    assert (WorkerUnfit.is_final, WorkerUnfit.is_retryable) == (True, False)


def rank() -> int:
    return os.getpriority(os.PRIO_PROCESS, get_native_id())


def test_thread_that_steps_behind_leaves_the_others_where_they_are() -> None:
    before = rank()

    with ThreadPoolExecutor(1, initializer=step_behind) as behind, ThreadPoolExecutor(1) as ordinary:
        ranks = [behind.submit(rank).result(), ordinary.submit(rank).result(), rank()]

    assert ranks == [min(19, before + 10), before, before]
