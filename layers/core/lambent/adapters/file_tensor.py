"""A tensor of a .tflite file beside its contract: maybe quantized in the file, plain numbers outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lambent.contracts.model import TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.errors import ModelContractMismatch

Convert = Callable[[Array], Array]
_PIXEL_OFFSET = -128


class FileTensor:
    """One input or output.

    Parameters
    ----------
    spec      the contract's
    details   the runtime's: index, dtype, shape_signature, quantization

    Attributes
    ----------
    to_file     turns an array of the contract's datatype into the file's; the result may be a buffer that the next call
                overwrites
    from_file   the reverse; may work in place, so it must be given a copy
    step        the distance of two neighbouring values of a number that is quantized in the file, 0 if it is not
    """

    def __init__(self, spec: TensorSpec, details: Mapping[str, Any]) -> None:
        self.name = spec.name
        self.index: int = details["index"]
        wire, stored = DTYPE_BY_DATATYPE[spec.datatype], np.dtype(details["dtype"])
        self._check_storable(spec, stored, details)
        scale, zero_point = details["quantization"]
        self.step = float(scale) if wire.kind == "f" and stored.kind in "iu" else 0.0
        self.to_file: Convert
        self.from_file: Convert
        if wire == stored:
            self.to_file = self.from_file = _same
        elif scale and wire.kind == "f" and stored.kind in "iu" and stored.itemsize <= 2:  # noqa: PLR2004 - 16 bits
            self.to_file = _Quantizer(wire, stored, scale, zero_point)
            self.from_file = _dequantizer(wire, scale, zero_point)
        elif (wire.name, stored.name, scale, zero_point) == ("uint8", "int8", 1.0, _PIXEL_OFFSET):
            # The file counts the same whole numbers from -128: exact.
            self.to_file, self.from_file = _pixels_to_int8, _pixels_from_int8
        else:
            raise ModelContractMismatch(
                f"Tensor {spec.name} is {stored} in the file, but {spec.datatype} in the contract.",
                field=spec.name,
                limit=stored.name,
                got=spec.datatype,
            )

    @staticmethod
    def _check_storable(spec: TensorSpec, stored: np.dtype[Any], details: Mapping[str, Any]) -> None:
        if stored.kind not in "biuf":
            raise ModelContractMismatch(
                f"Tensor {spec.name} holds strings in the file. Strings are not served: convert the model without its "
                "text processing, and declare preprocessing text instead.",
                field=spec.name,
            )
        if len(details["quantization_parameters"]["scales"]) > 1:
            raise ModelContractMismatch(
                f"Tensor {spec.name} is quantized per channel; inputs and outputs must be quantized per tensor.",
                field=spec.name,
            )


def _same(array: Array) -> Array:
    return array


class _Quantizer:
    """``round(x / scale) + zero_point``, half to even, clipped: as TensorFlow Lite's QUANTIZE operator does."""

    def __init__(self, wire: np.dtype[Any], stored: np.dtype[Any], scale: float, zero_point: int) -> None:
        self._real_dtype = np.result_type(wire, np.float32)
        self._stored_dtype = stored
        number, info = self._real_dtype.type, np.iinfo(stored)
        self._scale, self._zero_point = np.float32(scale), number(zero_point)
        self._lowest, self._highest = number(info.min), number(info.max)
        self._real: Array = np.empty(0, dtype=self._real_dtype)
        self._stored: Array = np.empty(0, dtype=stored)

    def __call__(self, array: Array) -> Array:
        if array.shape != self._real.shape:
            self._real = np.empty(array.shape, dtype=self._real_dtype)
            self._stored = np.empty(array.shape, dtype=self._stored_dtype)
        real = self._real
        # Infinity is clipped; NaN has no integer, x86 and Arm both make it 0. fmax and fmin, which would make it the
        # lowest value, take three times as long as clip.
        with np.errstate(over="ignore", invalid="ignore"):
            np.divide(array, self._scale, out=real)
            np.rint(real, out=real)
            np.add(real, self._zero_point, out=real)
            np.clip(real, self._lowest, self._highest, out=real)
            np.copyto(self._stored, real, casting="unsafe")
        return self._stored


def _dequantizer(wire: np.dtype[Any], scale: float, zero_point: int) -> Convert:
    """Return ``(q - zero_point) * scale``; 17 bits times 24 bits, so it is rounded once."""
    dtype = np.result_type(wire, np.float32)
    step, zero = np.float32(scale), dtype.type(zero_point)

    def dequantize(array: Array) -> Array:
        real: Array = array.astype(dtype)
        np.subtract(real, zero, out=real)
        np.multiply(real, step, out=real)
        return real.astype(wire, copy=False)

    return dequantize


def _pixels_to_int8(array: Array) -> Array:
    return np.bitwise_xor(array, np.uint8(128)).view(np.int8)


def _pixels_from_int8(array: Array) -> Array:
    return np.bitwise_xor(array.view(np.uint8), np.uint8(128))
