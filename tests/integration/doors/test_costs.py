"""What a batch will cost and what it did, on the running stack."""

from __future__ import annotations

from typing import Any

import pytest

TENANT = "default"  # whom the stack's own key stands for


def submission(job_id: str, manifest: str, **changes: object) -> dict[str, Any]:
    return {"schema_version": 1, "id": job_id, "model": "digits", "input": {"manifest_uri": manifest}, **changes}


def test_a_quote_makes_nothing_durable_and_the_job_s_receipt_has_what_was_really_worked(product: Any) -> None:
    manifest = product.put_batch(TENANT, "costs", [png for png, _ in product.pictures[:60]])
    asked = submission("costs", manifest, model=product.publish_as("costed"), lane="cpu")

    quoted = product.http.post("/jobs", json=asked, params={"dry_run": "true"})

    assert quoted.status_code == 200, quoted.text
    quote = quoted.json()
    assert (quote["total"], quote["is_total_exact"], quote["lane"], quote["version"]) == (60, True, "cpu", "1")
    assert product.http.get("/jobs/costs").status_code == 404
    # Jobs of other tests may be at work still: of this one there is nothing, under any tenant.
    assert [key for key in product.keys("jobs/") if "/costs/" in key] == []

    assert product.http.post("/jobs", json=asked).status_code == 202
    ended = product.wait_for_job("costs", TENANT)
    job = product.http.get("/jobs/costs").json()

    assert ended["state"] == "SUCCEEDED"
    estimate, receipt = job["estimate"], job["receipt"]
    assert (estimate["items"], estimate["objects"]) == (60, 60)
    assert estimate["seconds"] == pytest.approx(quote["estimate"]["seconds"])
    assert (receipt["lane"], receipt["items"], receipt["gpu_seconds"]) == ("cpu", 60, None)
    assert receipt["busy_s"] > 0
    assert receipt["busy_s"] == pytest.approx(product.busy_s("costs", TENANT))
    assert receipt["gb_seconds"] == pytest.approx(receipt["busy_s"] * 1769 / 1024)
    assert 0 < receipt["usd"] == pytest.approx(sum(part["usd"] for part in receipt["parts"]))
    assert [receipt[f"estimated_{name}"] for name in ("seconds", "usd")] == [estimate["seconds"], estimate["usd"]]


def test_what_was_measured_with_the_version_is_what_the_planner_counts_with(product: Any) -> None:
    manifest = product.put_batch(TENANT, "rated", [product.seven])

    quote = product.http.post("/jobs", json=submission("rated", manifest), params={"dry_run": "true"}).json()

    (on_cpu,) = (lane for lane in quote["estimate"]["lanes"] if lane["lane"] == "cpu")
    assert on_cpu["throughput"]["source"] in {"published", "observed"}
    assert on_cpu["throughput"]["items_per_s"] > 0
    assert quote["lane"] == "cpu"
