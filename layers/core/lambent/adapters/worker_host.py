"""What a worker's image and host must have before a job may begin; nothing here imports Keras unless it is there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lambent.contracts.model import ModelContract
from lambent.domain.model import KERAS_FILE
from lambent.errors import WorkerUnfit

if TYPE_CHECKING:
    from lambent.adapters.keras_model import KerasInterpreter

_IMAGE = (
    "Build the image of functions/batch_worker/Dockerfile anew, whose CUDA and cuDNN are those of its lock, push it "
    "and deploy with its WorkerImageUri"
)


def check_worker(backend: str, *, needs_gpu: bool) -> None:
    """Return if a job can run here as it was promised; takes the seconds that the backend takes to be imported.

    Parameters
    ----------
    backend     of Keras, as KERAS_BACKEND names it
    needs_gpu   whether the job was promised a GPU: without one it would run on the processors that come with it, many
                times slower and at the GPU's price

    Raises
    ------
    WorkerUnfit   the image lacks the backend, or the backend sees no GPU
    """
    if find_spec(backend) is None:
        raise WorkerUnfit(
            f"The worker's image has no {backend}, which KERAS_BACKEND asks for. {_IMAGE}, with --build-arg "
            f"BACKEND={backend}; or deploy with WorkerBackend as the image was built.",
            field="KERAS_BACKEND",
            got=backend,
        )
    if not needs_gpu:
        return
    from lambent.adapters.keras_backends import has_gpu

    if not has_gpu():
        raise WorkerUnfit(
            f"No GPU visible to {backend} in this container, and the job was promised one. {_IMAGE}; every type of "
            "GpuInstanceTypes must have an NVIDIA GPU. WORKER_NEEDS_GPU=false in the job definition takes processors.",
            field="WORKER_NEEDS_GPU",
            limit=1,
            got=0,
        )


class WorkerModelLoader:
    """Keras's loader, imported with the first model, so that a worker without Keras can still say what it lacks."""

    file = KERAS_FILE

    def load(self, model: Path, contract: ModelContract) -> KerasInterpreter:
        """Load a verified file; see `KerasInterpreterLoader`."""
        from lambent.adapters.keras_model import KerasInterpreterLoader

        return KerasInterpreterLoader().load(model, contract)
