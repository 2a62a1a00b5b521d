"""Checks of the HTTP door: what it says, to whom, and how soon."""

from __future__ import annotations

from statistics import median
from urllib.parse import urljoin, urlsplit

import httpx

from lambent_toolkit.doctor.answers import as_json, is_well, told, what_is_not_ours
from lambent_toolkit.doctor.findings import Finding, failed, ok, skipped, warning
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import a_model, an_answer_for_people, check
from lambent_toolkit.doctor.trial import HEADER_LENGTH

GROUP = "API"
_LATE_START_S = 15.0  # API Gateway gives up at 29 s
_LATE_WARM_S = 1.0
_WARM_CALLS = 10
_LOGS = "see `lambent logs predict --since 10m`"
_AGAIN = "lambent deploy"


# Before anything else that asks the same function: its first answer tells of its start.
@check("first-answer", group=GROUP, needs=(an_answer_for_people,), asks="How long do a first and a warm answer take?")
def _first_answer(patient: Patient) -> Finding:
    taken = []
    for _ in range(1 + _WARM_CALLS):
        start_s = patient.now_s()
        answer = _predict(patient)
        taken.append(patient.now_s() - start_s)
        if not is_well(answer):
            return failed(f"POST /models/…/predict: {told(answer)}", mend=_LOGS)
    first_s, warm_s = taken[0], median(taken[1:])
    said = f"the first answer took {first_s * 1000:.0f} ms, then {warm_s * 1000:.0f} ms (p50 of {_WARM_CALLS})"
    if first_s > _LATE_START_S:
        return warning(said, mend="a smaller model or more memory: lambent deploy --parameter PredictMemory=3008")
    if warm_s > _LATE_WARM_S:
        return warning(said, mend="more memory brings more processor: lambent deploy --parameter PredictMemory=3008")
    return ok(said)


def _predict(patient: Patient) -> httpx.Response:
    trial = patient.trial
    body, media_type = trial.media_body()
    path = f"/models/{trial.ref.name}/versions/{trial.ref.version}/predict"
    return patient.http.post(path, content=body, headers={"Content-Type": media_type})


@check("api-reachable", group=GROUP, asks="Does the HTTP door answer, without sending callers elsewhere?")
def _reachable(patient: Patient) -> Finding:
    answer = patient.http.get("/v2/health/live")
    if is_well(answer):
        return ok(f"{urlsplit(patient.stack.url).netloc} is live")
    mend = (
        "the address ends with a stage (…/dev), see `lambent status`; 403 without a code: that stage was not deployed, "
        f"{_AGAIN}; 5xx: {_LOGS}"
    )
    return failed(f"GET /v2/health/live: {told(answer)}", mend=mend)


@check(
    "address-encrypted",
    group=GROUP,
    aws_only="it is reached from this machine only",
    asks="Does everybody speak to the stack by https?",
)
def _address_encrypted(patient: Patient) -> Finding:
    if urlsplit(patient.stack.url).scheme == "https":
        return ok("https")
    return failed(
        "the address is not https: keys and pictures travel in the clear",
        mend="set LAMBENT_URL to an https address, or unset it to take the stack's own",
    )


@check("key-needed", group=GROUP, asks="Is who has no key, or an unknown one, turned away?")
def _key_needed(patient: Patient) -> Finding:
    asked = {
        "without a key": patient.stranger.get("/models"),
        "with an unknown key": patient.stranger.get("/models", headers={"x-api-key": "unknown-to-everybody-0000"}),
    }
    for who, answer in asked.items():
        if wrong := what_is_not_ours(answer, status=401, code="auth_invalid"):
            return failed(f"GET /models {who}: {wrong}", mend=f"somebody changed the API beside the template: {_AGAIN}")
    return ok("401 to strangers")


@check("errors-shaped", group=GROUP, asks="Does every error have the fields that programs look at?")
def _errors_shaped(patient: Patient) -> Finding:
    asked = {
        "GET /no-such-route": (patient.http.get("/no-such-route"), 404, "route_not_found"),
        "GET /jobs/none-of-these": (patient.http.get("/jobs/none-of-these"), 404, "job_not_found"),
        "POST /jobs with half a JSON": (_half_a_json(patient), 400, "json_invalid"),
    }
    for what, (answer, status, code) in asked.items():
        if wrong := what_is_not_ours(answer, status=status, code=code):
            return failed(f"{what}: {wrong}", mend=f"gateway and functions are of different releases: {_AGAIN}")
    return ok(f"{len(asked)} kinds of errors are ours")


def _half_a_json(patient: Patient) -> httpx.Response:
    return patient.http.post("/jobs", content=b'{"id": ', headers={"Content-Type": "application/json"})


@check(
    "location-leads-back", group=GROUP, needs=(a_model,), asks="Does the Location of an answer lead to what it names?"
)
def _location(patient: Patient) -> Finding:
    wanted = {"model": patient.trial.ref.name, "content_type": "text/plain", "sha256": "0" * 64}
    answer = patient.http.post("/uploads", json=wanted)
    if not is_well(answer, 201):
        return failed(f"POST /uploads: {told(answer)}", mend="see `lambent logs jobs --since 10m`")
    location = urljoin(str(answer.url), answer.headers.get("location", "none"))
    # Only where the host is the API's own: another one must not see the key.
    if urlsplit(location).netloc != answer.url.netloc.decode():
        return failed(f"Location leads to {urlsplit(location).netloc}", mend=_AGAIN)
    if not is_well(found := patient.http.get(location)):
        return failed(
            f"Location is {urlsplit(location).path}: {told(found)}; the stage is missing, or stands there twice",
            mend=f"{_AGAIN}; behind a domain of your own see that its base path leads to the stage",
        )
    return ok(f"{urlsplit(location).path.rpartition('/')[0]}/… is there")


@check(
    "binary-answers",
    group=GROUP,
    needs=(a_model,),
    asks="Are binary tensors bytes, not base64, whatever a client says that it accepts?",
)
def _binary_answers(patient: Patient) -> Finding:
    accepted = (None, "*/*", "application/octet-stream", "application/json, */*;q=0.8")
    for accept in accepted:
        if wrong := _why_not_binary(patient, accept):
            said = "without Accept" if accept is None else f"with Accept: {accept}"
            mend = f"the API's binary media types must be */* (BinaryMediaTypes): {_AGAIN}"
            return failed(f"a binary answer {said}: {wrong}", mend=mend)
    return ok(f"bytes arrive as bytes, with {len(accepted) - 1} kinds of Accept and without")


def _why_not_binary(patient: Patient, accept: str | None) -> str:
    trial = patient.trial
    body, header_bytes = trial.oip_binary()
    headers = {HEADER_LENGTH: str(header_bytes), "Content-Type": "application/octet-stream"}
    path = f"/v2/models/{trial.ref.name}/versions/{trial.ref.version}/infer"
    request = patient.http.build_request("POST", path, content=body, headers=headers)
    del request.headers["accept"]  # httpx says */* where nothing is said
    if accept is not None:
        request.headers["accept"] = accept
    answer = patient.http.send(request)
    if not is_well(answer):
        return told(answer)
    length = answer.headers.get(HEADER_LENGTH, "")
    if not length.isdigit():
        return f"it has no {HEADER_LENGTH}"
    try:
        return trial.why_wrong_outputs(trial.binary_outputs(answer.content, int(length)))
    except (ValueError, KeyError) as exc:
        return f"its {len(answer.content)} bytes are not what its {HEADER_LENGTH} says ({type(exc).__name__})"


@check("pages-allowed", group=GROUP, asks="May web pages of the declared origins call the API?")
def _pages_allowed(patient: Patient) -> Finding:
    origins = [each for each in patient.parameters.get("AllowedOrigins", "").split(",") if each]
    if not origins:
        return skipped("no origin is declared (parameter AllowedOrigins)")
    origin = "https://example.com" if origins == ["*"] else origins[0]
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key",
    }
    answer = patient.stranger.options("/uploads", headers=asked)
    if not answer.is_success:
        return failed(f"a browser would refuse pages of {origin}: {told(answer)}", mend=_AGAIN)
    for name, any_of in (("origin", {"*", origin.lower()}), ("headers", {"*", "x-api-key"})):
        allowed = answer.headers.get(f"access-control-allow-{name}", "").lower()
        if not any_of & {each.strip() for each in allowed.split(",")}:
            missing = f"Access-Control-Allow-{name.capitalize()} is {allowed or 'missing'}"
            return failed(f"a browser would refuse pages of {origin}: {missing}", mend=_AGAIN)
    return ok(f"a preflight of {origin} is answered")


@check("documents-open", group=GROUP, asks="Are /docs and /openapi.json there, without a key?")
def _documents_open(patient: Patient) -> Finding:
    docs, document = patient.stranger.get("/docs"), patient.stranger.get("/openapi.json")
    for what, answer in (("/docs", docs), ("/openapi.json", document)):
        if not is_well(answer):
            return failed(f"GET {what}: {told(answer)}", mend="see `lambent logs jobs --since 10m`")
    try:
        version = as_json(document)["openapi"]
    except (ValueError, KeyError, TypeError):
        return failed("/openapi.json is no OpenAPI document", mend=_AGAIN)
    return ok(f"OpenAPI {version}")
