"""Name of the float32 file beside model.tflite."""

FLOAT_FILE = "model.float32.tflite"
