"""The forms that a .tflite file can take; see `quantization.to_tflite` for what each is."""

from __future__ import annotations

from typing import Literal, get_args

Variant = Literal["float32", "float16", "dynamic", "int8", "int16x8"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
# "auto": `lambent quantize` chooses by what it measures.
VariantChoice = Literal["auto", "float32", "float16", "dynamic", "int8", "int16x8"]
# What `lambent sensitivity` makes where int8 loses too much.
Remedy = Literal["qat", "mixed"]
REMEDIES: tuple[Remedy, ...] = get_args(Remedy)
ServedChoice = Literal["auto", "float32", "float16", "dynamic", "int8", "int16x8", "qat", "mixed"]

VARIANTS_FOLDER = "variants"


def variant_file(variant: str) -> str:
    """Return the path of a variant's file in a working folder."""
    return f"{VARIANTS_FOLDER}/{variant}.tflite"
