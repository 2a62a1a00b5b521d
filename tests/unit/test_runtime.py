"""Settings, statuses, error bodies."""

import inspect

import pytest

from lambent import errors
from lambent.errors import LambentError
from lambent.runtime import settings
from lambent.runtime.http_errors import problem, status_of

ALL_ERRORS = [error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, LambentError)]
PREDICT = {
    "TABLE_NAME": "t",
    "MODELS_BUCKET": "m",
    "MODEL_PUBLIC_KEYS": "",
    "MODEL_CACHE_BYTES": "1000",
    "LABEL_TTL_S": "2.5",
    "INTERPRETER_THREADS": "0",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "PRELOAD_MODELS": "",
    "MAX_BODY_BYTES": "10",
    "API_KEY_ID": "own-key",
    "DEFAULT_TENANT": "acme",
    "DATA_BUCKET": "d",
    "INFER_QUEUE_URL": "q",
    "JOB_RETENTION_DAYS": "1",
    "MAX_UPLOAD_BYTES": "20",
    "MAX_ANSWER_BYTES": "10",
}


def test_settings_are_typed_and_ignore_other_variables() -> None:
    read = settings.load_settings(settings.PredictSettings, {**PREDICT, "PATH": "/bin"})

    assert (read.model_cache_bytes, read.label_ttl_s, read.table_name) == (1000, 2.5, "t")


@pytest.mark.parametrize(
    ("memory_mib", "wanted", "threads"),
    [(1024, 0, 1), (1769, 0, 1), (3537, 0, 1), (3538, 0, 2), (10240, 0, 5), (10240, 1, 1)],
)
def test_threads_follow_memory_unless_they_are_chosen(memory_mib: int, wanted: int, threads: int) -> None:
    environ = {**PREDICT, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mib), "INTERPRETER_THREADS": str(wanted)}

    assert settings.load_settings(settings.PredictSettings, environ).threads == threads


@pytest.mark.parametrize(("text", "names"), [("", []), ("digits", ["digits"]), ("digits,wine", ["digits", "wine"])])
def test_models_to_preload_have_commas_between_them(text: str, names: list[str]) -> None:
    read = settings.load_settings(settings.PredictSettings, {**PREDICT, "PRELOAD_MODELS": text})

    assert read.models_to_preload == names


@pytest.mark.parametrize("name", sorted(PREDICT))
def test_a_missing_setting_is_named(name: str) -> None:
    environ = {key: value for key, value in PREDICT.items() if key != name}

    with pytest.raises(errors.Misconfigured, match=name):
        settings.load_settings(settings.PredictSettings, environ)


def test_a_setting_of_the_wrong_type_is_named() -> None:
    with pytest.raises(errors.Misconfigured, match="MAX_BODY_BYTES"):
        settings.load_settings(settings.PredictSettings, {**PREDICT, "MAX_BODY_BYTES": "many"})


def test_the_environment_is_read_when_nothing_else_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PREDICT.items():
        monkeypatch.setenv(name, value)

    assert settings.load_settings(settings.PredictSettings).models_bucket == "m"


def test_every_error_has_a_code_of_its_own_and_stands_in_the_drawn_tree() -> None:
    codes = [error.code for error in ALL_ERRORS]

    assert len(set(codes)) == len(codes)
    for error in ALL_ERRORS:
        assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("error", ALL_ERRORS)
def test_every_error_has_a_status_and_only_retryable_ones_say_so(error: type[LambentError]) -> None:
    body = problem(error("What went wrong."), request_id="r")

    assert 400 <= status_of(error("x")) <= 503
    assert body["error"] == body["detail"] == "What went wrong."
    assert body["retryable"] == issubclass(error, errors.Unavailable | errors.InProgress | errors.ShardFailed)
    assert {
        "type",
        "title",
        "status",
        "code",
        "detail",
        "error",
        "field",
        "limit",
        "got",
        "request_id",
        "retryable",
    } <= set(body)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.AuthInvalid, 401),
        (errors.JsonInvalid, 400),
        (errors.ModelNotFound, 404),
        (errors.TensorShapeMismatch, 422),
        (errors.ImageFormatUnsupported, 415),
        (errors.ImageCorrupt, 422),
        (errors.PayloadTooLarge, 413),
        (errors.AliasConflict, 409),
        (errors.Unavailable, 503),
        (errors.ModelIntegrityFailed, 503),
        (errors.Misconfigured, 500),
    ],
)
def test_statuses_are_as_promised(error: type[LambentError], status: int) -> None:
    assert status_of(error("x")) == status
