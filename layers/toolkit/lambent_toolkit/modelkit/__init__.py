"""From a recipe to a published model version: train, quantize, evaluate in the serving interpreter, publish."""

import os

# TensorFlow converts and serves what is trained here; a machine that is set up for JAX or PyTorch must not decide.
# Keras reads it once, when it is imported, which a recipe may do in its first line.
os.environ["KERAS_BACKEND"] = "tensorflow"
