"""Models are trained on TensorFlow, whatever else the machine's Keras is set to."""

import os
import subprocess
import sys


def test_foreign_keras_backend_of_the_environment_is_not_taken() -> None:
    program = "import os, lambent_toolkit.modelkit; print(os.environ['KERAS_BACKEND'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "tensorflow"
