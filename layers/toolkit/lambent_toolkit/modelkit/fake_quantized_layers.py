"""Keras layers that round to 8 bits on the way forward, and pass gradients on as if they did not.

The rounding is TensorFlow's own ``fake_quant``, by Keras's wrapper; the converter takes the ranges from it, so that
what was trained is what is converted.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops, quantizers

_BITS = 8
_MOMENTUM = 0.99
_SMALLEST_RANGE = 1e-6


class ActivationRange(layers.Layer):
    """Rounds a tensor to 8 bits within a range that follows the data.

    The range is the mean of the batches' minima and maxima, over all of them at first and a moving average later; it
    always holds zero. ``fixed`` is a range that stays.
    """

    def __init__(self, fixed: tuple[float, float] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._fixed = fixed

    def build(self, _shape: Any) -> None:
        """Add the weights."""
        low, high = self._fixed or (0.0, _SMALLEST_RANGE)
        self._low = self._number(low, "low")
        self._high = self._number(high, "high")
        self._batches = self._number(0.0, "batches")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the inputs rounded."""
        if training and self._fixed is None:
            self._follow(inputs)
        return quantizers.fake_quant_with_min_max_vars(inputs, self._low, self._high, num_bits=_BITS)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the same shape."""
        return input_shape

    def _follow(self, inputs: Any) -> None:
        kept = ops.minimum(_MOMENTUM, self._batches / (self._batches + 1.0))
        low = ops.minimum(ops.min(inputs), 0.0)
        high = ops.maximum(ops.max(inputs), _SMALLEST_RANGE)
        self._low.assign(kept * self._low + (1.0 - kept) * low)
        self._high.assign(kept * self._high + (1.0 - kept) * high)
        self._batches.assign(self._batches + 1.0)

    def _number(self, value: float, name: str) -> Any:
        return self.add_weight(
            shape=(), initializer=keras.initializers.Constant(value), trainable=False, name=name, dtype="float32"
        )


class FakeQuantizedWeights(layers.Layer):
    """What layers with rounded weights have in common.

    ``rounds_weights`` is False for the converter alone. It rounds constant weights in the very same way by itself, and
    fails on rounded ones that a depthwise convolution has to reshape.
    """

    rounds_weights = True

    def rounded(self, kernel: Any) -> Any:
        """Return the kernel in 8 bits, -127 to 127 steps, with a scale for each index of the last axis."""
        if not self.rounds_weights:
            return kernel
        largest = ops.stop_gradient(ops.max(ops.abs(kernel), axis=tuple(range(len(kernel.shape) - 1))))
        largest = ops.maximum(largest, _SMALLEST_RANGE)
        return quantizers.fake_quant_with_min_max_vars(
            kernel, -largest, largest, num_bits=_BITS, narrow_range=True, axis=-1
        )


class FakeQuantizedConv2D(FakeQuantizedWeights, layers.Conv2D):
    """Conv2D with weights rounded to 8 bits, a scale for each filter."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve with the rounded weights."""
        return super().convolution_op(inputs, self.rounded(kernel))


class FakeQuantizedDense(FakeQuantizedWeights, layers.Dense):
    """Dense with weights rounded to 8 bits, a scale for each unit."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: ARG002 - Keras's own signature
        """Return the outputs of the rounded weights."""
        outputs = ops.matmul(inputs, self.rounded(self.kernel))
        return self.activation(outputs if self.bias is None else ops.add(outputs, self.bias))


class FakeQuantizedDepthwiseConv2D(FakeQuantizedWeights, layers.DepthwiseConv2D):
    """DepthwiseConv2D with weights rounded to 8 bits, a scale for each output channel."""

    def call(self, inputs: Any) -> Any:
        """Return the outputs of the rounded weights."""
        outputs = ops.depthwise_conv(
            inputs,
            self.rounded(self.kernel),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return self.activation(outputs if self.bias is None else ops.add(outputs, self.bias))

    def rounded(self, kernel: Any) -> Any:
        """Return the kernel with a scale for each input channel and multiplier: together, an output channel."""
        height, width, channels, multiplier = kernel.shape
        flat = ops.reshape(kernel, (height * width, channels * multiplier))
        return ops.reshape(super().rounded(flat), (height, width, channels, multiplier))
