"""What the product can do, each as a deed: begun at once, and asked again and again whether it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
from published import publish_shade

from builders import picture
from lambent.contracts.jobs import ShardItem
from lambent.domain.model import LIVE
from lambent_toolkit.modelkit.publishing import Publisher
from patience import PATIENCE_S, wait_for

IsDone = Callable[[], bool]
Deed = Callable[[Any], IsDone]
PNG = {"Content-Type": "image/png"}
TENANT = "default"


def fresh() -> str:
    """Return a name that nothing has yet, so that nothing of it is cached."""
    return f"r{uuid4().hex[:10]}"


def publish_fresh(product: Any) -> str:
    """Publish a small model that is live under a name of its own, and return the name."""
    name = fresh()
    ref = publish_shade(product.info, name=name)
    Publisher(product.info).set_label(name, LIVE, ref.version)
    return name


def answered(method: str, path: str, status: int = 200, **request: Any) -> Deed:
    """Return the deed of getting an answer by HTTP."""
    return lambda product: lambda: product.http.request(method, path, **request).status_code == status


def predict_fresh_model(product: Any) -> IsDone:
    name = publish_fresh(product)
    return answered("POST", f"/models/{name}/predict", content=picture(200), headers=PNG)(product)


def large_answer(product: Any) -> IsDone:
    tensor = {"name": "image", "shape": [64, 28, 28, 1], "datatype": "FP32", "data": [0.5] * 50_176}

    def is_done() -> bool:
        answer = product.http.post(
            "/v2/models/digits/infer", content=json.dumps({"inputs": [tensor]}), headers={"Accept-Encoding": "identity"}
        )
        return (
            answer.status_code == 303 and httpx.get(answer.headers["location"], timeout=PATIENCE_S).status_code == 200
        )

    return is_done


def call_for_later(product: Any) -> IsDone:
    accepted: list[str] = []

    def is_done() -> bool:
        if not accepted:
            answer = product.http.post(
                "/models/digits/predict", content=product.seven, headers=PNG | {"Prefer": "respond-async"}
            )
            if answer.status_code != 202:
                return False
            accepted.append(answer.json()["id"])
        return is_succeeded(product, accepted[0])

    return is_done


def is_succeeded(product: Any, job_id: str) -> bool:
    job = product.job(job_id, TENANT)
    return job is not None and job["state"] == "SUCCEEDED"


def upload(product: Any, model: str = "digits") -> IsDone:
    key = f"rights/{model}/{fresh()}.png"
    product.put(f"inbox/{key}", product.seven if model == "digits" else picture(200))
    return lambda: product.read(f"results/{key}.json") is not None


def upload_to_fresh_model(product: Any) -> IsDone:
    name = publish_fresh(product)
    return upload(product, name)


def bad_upload(product: Any) -> IsDone:
    key = f"rights/digits/{fresh()}.png"
    product.put(f"inbox/{key}", b"no picture")
    return lambda: product.read(f"results/{key}.error.json") is not None


def upload_of_no_tenant(product: Any) -> IsDone:
    """Put a file whose key names a tenant that may not be; its error lies where its result would be."""
    key = f"No Tenant/digits/{fresh()}.png"
    product.put(f"inbox/{key}", product.seven)
    outcome = f"results/{key}.error.json"

    def is_done() -> bool:
        # Its message is gone, too.
        return product.read(outcome) is not None and not any_waiting(product, "upload", "preprocess")

    return is_done


def any_waiting(product: Any, *queues: str) -> bool:
    return not all(queue_is_empty(product, queue) for queue in queues)


def queue_is_empty(product: Any, queue: str) -> bool:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = product.sqs.get_queue_attributes(QueueUrl=product.info.queues[queue], AttributeNames=names)["Attributes"]
    return all(found[name] == "0" for name in names)


def granted_upload(product: Any) -> IsDone:
    wanted = {"model": "digits", "content_type": "image/png", "sha256": sha256(product.seven).hexdigest()}

    def is_done() -> bool:
        answer = product.http.post("/uploads", json=wanted)
        if answer.status_code != 201:
            return False
        form = answer.json()["upload"]
        return bool(
            httpx.post(
                form["url"], data=form["fields"], files={"file": ("blob", product.seven)}, timeout=PATIENCE_S
            ).is_success
        )

    return is_done


def batch(lane: str, model: str | None = "digits", count: int = 2, **changes: Any) -> Deed:
    """Return the deed of running a batch by HTTP to its good end; of no model named, a fresh one."""

    def begin(product: Any) -> IsDone:
        name = model or publish_fresh(product)
        manifest = product.put_batch(TENANT, fresh(), [product.seven if model else picture(200)] * count)
        job = {"schema_version": 1, "id": fresh(), "model": name, "lane": lane, "input": {"manifest_uri": manifest}}
        job |= changes
        accepted: list[bool] = []

        def is_done() -> bool:
            if not accepted and product.http.post("/jobs", json=job).status_code == 202:
                accepted.append(True)
            return bool(accepted) and is_succeeded(product, job["id"])

        return is_done

    return begin


def batch_by_queue(product: Any) -> IsDone:
    """Send a batch as a message, by which its job is recorded; nobody has recorded it before."""
    manifest = product.put_batch(TENANT, fresh(), [product.seven])
    job = {"schema_version": 1, "id": fresh(), "model": "digits", "lane": "cpu", "input": {"manifest_uri": manifest}}
    tenant = {"tenant": {"DataType": "String", "StringValue": TENANT}}
    product.sqs.send_message(
        QueueUrl=product.info.queues["batch"], MessageBody=json.dumps(job), MessageAttributes=tenant
    )
    return lambda: is_succeeded(product, job["id"])


def submitted(product: Any, lane: str = "cpu") -> str:
    """Submit a batch of one and return its id, without waiting for it."""
    manifest = product.put_batch(TENANT, fresh(), [product.seven])
    job = {"schema_version": 1, "id": fresh(), "model": "digits", "lane": lane, "input": {"manifest_uri": manifest}}
    assert product.http.post("/jobs", json=job).status_code == 202
    return str(job["id"])


def quote(product: Any) -> IsDone:
    manifest = product.put_batch(TENANT, fresh(), [product.seven])
    job = {"schema_version": 1, "id": fresh(), "model": "digits", "lane": "cpu", "input": {"manifest_uri": manifest}}
    return answered("POST", "/jobs", json=job, params={"dry_run": "true"})(product)


def submit(product: Any) -> IsDone:
    manifest = product.put_batch(TENANT, fresh(), [product.seven])
    job = {"schema_version": 1, "id": fresh(), "model": "digits", "lane": "cpu", "input": {"manifest_uri": manifest}}
    return answered("POST", "/jobs", 202, json=job)(product)


def cancel(product: Any) -> IsDone:
    """Cancel a job that is planned and waits for its message."""
    job_id = fresh()
    product.plan_job(TENANT, job_id, [ShardItem(id="a", data=product.seven, line=1)], lane="cpu")
    return lambda: product.http.delete(f"/jobs/{job_id}").status_code == 200


def load_again(product: Any) -> IsDone:
    return answered("POST", "/v2/repository/models/digits/load")(product)


def webhook_told(product: Any) -> IsDone:
    """Fail a job at once whose end a receiver wants to hear of."""
    receiver = product.receiver
    manifest = f"s3://{product.data}/inputs/{TENANT}/missing.jsonl"
    job_id = fresh()
    body = {"schema_version": 1, "id": job_id, "model": "digits", "lane": "cpu", "input": {"manifest_uri": manifest}}
    hook = {"webhook": {"url": f"http://localhost:{receiver.port}/{job_id}"}}
    product.http.post("/jobs", json={**body, "notification": hook})

    def is_done() -> bool:
        told = product.http.get(f"/jobs/{job_id}").json()["notification"]
        return told is not None and told["webhook"]["state"] == "delivered"

    return is_done


def job_heard_of(lane: str) -> Deed:
    """Return the deed of running a batch to its end, of which the topic's and the bus's listener both hear."""
    return lambda product: job_heard_of_as(product, fresh(), lane)


def job_heard_of_as(product: Any, job_id: str, lane: str = "cpu") -> IsDone:
    begun, heard = batch(lane, id=job_id)(product), listening(product, job_id)
    return lambda: begun() and heard()


def listening(product: Any, job_id: str) -> IsDone:
    """Return whether both the topic's and the bus's listener have heard of a job."""
    heard: set[str] = set()

    def is_done() -> bool:
        for name, queue in product.listeners.items():
            answer = product.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            heard.update(name for message in answer.get("Messages", []) if job_id in message["Body"])
        return len(heard) == len(product.listeners)

    return is_done


def failure_heard_of(product: Any) -> IsDone:
    """Submit a batch without a manifest, which fails before it is in a lane, and which both listeners hear of."""
    job_id, manifest = fresh(), f"s3://{product.data}/inputs/{TENANT}/missing.jsonl"
    job = {"schema_version": 1, "id": job_id, "model": "digits", "lane": "cpu", "input": {"manifest_uri": manifest}}
    product.http.post("/jobs", json=job)
    return listening(product, job_id)


def webhook_of_batch(lane: str) -> Deed:
    """Return the deed of running a batch to its end, of which a receiver hears."""

    def begin(product: Any) -> IsDone:
        name = fresh()
        hook = {"webhook": {"url": f"http://localhost:{product.receiver.port}/{name}"}}
        begun = batch(lane, notification=hook)(product)
        return lambda: begun() and any(request.path == f"/{name}" for request in product.receiver.requests)

    return begin


def failed_event_kept(product: Any) -> IsDone:
    """Send the function of AWS Batch's events one that it fails on, which is kept after the last attempt."""
    mark = fresh()
    product.info.client("lambda").invoke(
        FunctionName=product.info.functions["job_events"], InvocationType="Event", Payload=json.dumps({"mark": mark})
    )
    queue = product.info.queues["job_events_dead_letter"]

    def is_done() -> bool:
        messages = product.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return any(mark in message["Body"] for message in messages)

    return is_done


def refused_message(queue: str) -> Deed:
    """Return the deed of sending a queue what is no work for it, which lies in its dead-letter queue with a reason."""

    def begin(product: Any) -> IsDone:
        mark = fresh()
        product.sqs.send_message(QueueUrl=product.info.queues[queue], MessageBody=json.dumps({"mark": mark}))

        def is_done() -> bool:
            answer = product.sqs.receive_message(
                QueueUrl=product.info.queues[f"{queue}_dead_letter"], MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
            )  # fmt: skip
            messages = answer.get("Messages", [])
            # The queue's own redrive brings a message there too, in the end, but without a reason.
            return any(mark in each["Body"] and "reason_code" in each.get("MessageAttributes", {}) for each in messages)

        return is_done

    return begin


def first_webhook(product: Any) -> IsDone:
    """Tell a receiver of a tenant that has no secret to sign with yet."""
    for row in product.table.query(
        KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": f"WEBHOOK#{TENANT}"}
    )["Items"]:
        product.table.delete_item(Key={name: row[name] for name in ("pk", "sk")})
    return webhook_told(product)


def sweep(product: Any) -> IsDone:
    def is_done() -> bool:
        answer = product.info.client("lambda").invoke(FunctionName=product.info.functions["sweep"], Payload=b"{}")
        return "FunctionError" not in answer

    return is_done


def dead_upload(product: Any) -> IsDone:
    """Leave the message of an upload that is gone in a dead-letter queue; the sweep writes the failure."""
    return _dead_upload(product, f"{uuid4().hex}.png", etag="e")


def _dead_upload(product: Any, name: str, *, etag: str) -> IsDone:
    swept = sweep(product)
    message = {
        "kind": "tensor", "schema_version": 1, "tenant": TENANT, "model": "digits", "version": 1,
        "tensor_key": "work/none.npz", "result_stem": f"results/{TENANT}/digits/{name}",
        "source_key": f"inbox/{TENANT}/digits/{name}", "source_name": name, "source_etag": etag,
    }  # fmt: skip
    product.sqs.send_message(QueueUrl=product.info.queues["infer_dead_letter"], MessageBody=json.dumps(message))

    def is_done() -> bool:
        return swept() and product.read(f"results/{TENANT}/digits/{name}.error.json") is not None

    return is_done


def dead_upload_that_is_there(product: Any) -> IsDone:
    """Leave the message of an upload in a dead-letter queue, and nothing of its result; the sweep looks at it first."""
    name = f"{uuid4().hex}.png"
    key, result = f"inbox/{TENANT}/digits/{name}", f"results/{TENANT}/digits/{name}.json"
    product.put(key, product.seven)
    wait_for(lambda: product.read(result) is not None, what="the upload's result")
    product.s3.delete_object(Bucket=product.data, Key=result)
    etag = product.s3.head_object(Bucket=product.data, Key=key)["ETag"].strip('"')
    return _dead_upload(product, name, etag=etag)


def dead_request(product: Any) -> IsDone:
    """Leave a batch request that nobody has recorded in a dead-letter queue; the sweep makes a FAILED job of it."""
    job_id, swept = f"dead-{uuid4().hex}", sweep(product)
    body = {"schema_version": 1, "id": job_id, "model": "digits", "input": {"uri": "s3://none/x.jsonl"}}
    product.sqs.send_message(
        QueueUrl=product.info.queues["batch_dead_letter"],
        MessageBody=json.dumps(body),
        MessageAttributes={"tenant": {"DataType": "String", "StringValue": TENANT}},
    )
    return lambda: swept() and (product.job(job_id, TENANT) or {}).get("state") == "FAILED"


def sweep_lost_end(product: Any) -> IsDone:
    """Write down a job whose only shard has its part, and whose last message was lost; the sweep ends it."""
    job_id, long_ago = fresh(), "2026-01-01T00:00:00.000Z"
    product.plan_job(TENANT, job_id, [ShardItem(id="a", key=f"inputs/{TENANT}/a.png", line=1)], lane="cpu")
    product.put(f"jobs/{TENANT}/{job_id}/part-00000.jsonl", b'{"id":"a","label":"7"}\n')
    shard = {"pk": f"JOB#{TENANT}#{job_id}", "sk": "SHARD#00000", "shard": 0, "done": 1, "failed": 0}
    product.table.put_item(Item={**shard, "is_finished": True, "updated_at": long_ago})
    product.table.update_item(
        Key={"pk": f"JOB#{TENANT}#{job_id}", "sk": "JOB"},
        UpdateExpression="SET updated_at = :past",
        ExpressionAttributeValues={":past": long_ago},
    )
    swept = sweep(product)
    return lambda: is_succeeded(product, job_id) or (swept() and is_succeeded(product, job_id))


def sweep_lost_call(product: Any) -> IsDone:
    """Record a call whose message was lost; the sweep sends it again."""
    job_id = product.http.post(
        "/models/digits/predict", content=product.seven, headers=PNG | {"Prefer": "respond-async"}
    ).json()["id"]
    wait_for(lambda: is_succeeded(product, job_id), what="the call")
    for name in product.keys(f"jobs/{TENANT}/{job_id}/"):
        if "/body-" not in name:
            product.s3.delete_object(Bucket=product.data, Key=name)
    lose(product, job_id)
    swept = sweep(product)

    def is_done() -> bool:
        if is_succeeded(product, job_id):
            return True
        # A sweep that was refused has noted that it tried, and would leave the job alone for a while.
        lose(product, job_id)
        return swept() and is_succeeded(product, job_id)

    return is_done


def lose(product: Any, job_id: str) -> None:
    """Let a call have waited for a long time, and never have been sent again."""
    product.table.update_item(
        Key={"pk": f"JOB#{TENANT}#{job_id}", "sk": "JOB"},
        UpdateExpression="SET #state = :queued, open_pk = :open, updated_at = :past, heals = :none "
        "REMOVE final_done, final_failed",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={
            ":queued": "QUEUED", ":open": "OPEN", ":past": "2026-01-01T00:00:00.000Z", ":none": 0,
        },
    )  # fmt: skip


def cancel_running_gpu_job(product: Any) -> IsDone:
    """Cancel a job that AWS Batch has; one that ends before it is cancelled is followed by another."""

    def has_been_submitted(job_id: str) -> bool:
        item = product.table.get_item(Key={"pk": f"JOB#{TENANT}#{job_id}", "sk": "JOB"})["Item"]
        return "batch_job_id" in item

    def is_done() -> bool:
        job_id = submitted(product, "gpu")
        wait_for(lambda: has_been_submitted(job_id), what="a job of AWS Batch")
        return product.http.delete(f"/jobs/{job_id}").status_code == 200

    return is_done
