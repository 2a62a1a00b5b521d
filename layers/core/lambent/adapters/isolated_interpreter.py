"""An interpreter behind the same port that lives in a process of its own, for one call at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import Array
from lambent.contracts.tensor_frames import decode_arrays, encode_arrays
from lambent.ports import InterpreterLoader, IsolatedComputing


class IsolatedLoader:
    """Loads a file for `IsolatedInterpreter`; ``loader`` makes each call's own interpreter from it."""

    def __init__(self, loader: InterpreterLoader, computing: IsolatedComputing, *, platform: str) -> None:
        self.file = loader.file
        self._loader = loader
        self._computing = computing
        self._platform = platform

    def load(self, model: Path, contract: ModelContract) -> IsolatedInterpreter:
        """Keep a verified file, which the caller may delete afterwards; what is wrong with it, its first call tells."""
        return IsolatedInterpreter(model, contract, self._loader, self._computing, platform=self._platform)


class IsolatedInterpreter:
    """Loads the file and runs it in a child process, for each call anew: what ends it ends the child."""

    def __init__(
        self,
        model: Path,
        contract: ModelContract,
        loader: InterpreterLoader,
        computing: IsolatedComputing,
        *,
        platform: str,
    ) -> None:
        self.platform = platform
        self._contract = contract
        self._loader = loader
        self._computing = computing
        # Its content stays as long as it is open here, whatever becomes of its name.
        self._file = model.open("rb")

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; see ports.Interpreter.

        Raises
        ------
        ProcessingCrashed   the child did not survive it
        """
        path = Path(f"/proc/self/fd/{self._file.fileno()}")
        return decode_arrays(
            self._computing.run(lambda: encode_arrays(self._loader.load(path, self._contract).run(inputs)))
        )

    def __del__(self) -> None:
        """Let the file go with the interpreter that is dropped from the cache."""
        self._file.close()
