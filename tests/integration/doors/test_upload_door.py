"""Door 2: S3 uploads."""

from __future__ import annotations

from typing import Any

import pytest


def test_uploads_get_results_whatever_their_legal_name(product: Any) -> None:
    names = ["a.png", "with space.png", "plus+percent%.png", "sub/folder/ü.png", "q?#&=.png", "trailing.", "x" * 200]
    pictures = dict(zip(names, product.pictures, strict=False))

    for name, (png, _) in pictures.items():
        product.put(f"inbox/names/digits/{name}", png)
    results = {name: product.wait_for_json(f"results/names/digits/{name}.json") for name in names}

    right = sum(results[name]["label"] == label for name, (_, label) in pictures.items())
    assert right >= len(names) - 1
    assert all(result["model"] == "digits" and result["version"] == "1" for result in results.values())


@pytest.mark.parametrize(
    ("model", "name", "body", "code"),
    [
        ("nobody", "a.png", b"x", "model_not_found"),
        ("digits", "text.png", b"not a picture", "image_format_unsupported"),
        ("digits", "empty.png", b"", "source_empty"),
    ],
)
def test_a_bad_upload_gets_an_error_object_and_its_message_is_acknowledged(
    product: Any, model: str, name: str, body: bytes, code: str
) -> None:
    product.put(f"inbox/bad/{model}/{name}", body)

    error = product.wait_for_json(f"results/bad/{model}/{name}.error.json")

    assert (error["code"], error["source"], error["retryable"]) == (code, name, False)
    assert error["error"] == error["detail"]
    assert product.keys(f"results/bad/{model}/{name}") == [f"results/bad/{model}/{name}.error.json"]


def test_results_and_working_objects_start_nothing(product: Any) -> None:
    product.put("inbox/loop/digits/a.png", product.seven)
    product.wait_for_json("results/loop/digits/a.png.json")

    product.put("results/loop/digits/b.png", product.seven)
    product.put("inbox/loop/digits/c.png", product.seven)
    product.wait_for_json("results/loop/digits/c.png.json")

    assert not [key for key in product.keys("results/") if "b.png." in key]
