"""The forms that a .tflite file can take; see `quantization.to_tflite` for what each is."""

from __future__ import annotations

from typing import Literal, get_args

Variant = Literal["float32", "float16", "dynamic", "int8", "int16x8"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
# "auto": `lambent quantize` chooses by what it measures.
VariantChoice = Literal["auto", "float32", "float16", "dynamic", "int8", "int16x8"]
