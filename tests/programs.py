"""Programs outside of any package, imported as those who start them do."""

from __future__ import annotations

import importlib
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def load_file(path: Path) -> ModuleType:
    """Import a file under its folder's and its own name, whatever else is imported under these; each call anew."""
    spec = spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_function(name: str) -> ModuleType:
    """Import a function's app.py as Lambda does: its own folder first."""
    folder = ROOT / "functions" / name
    sys.path.insert(0, str(folder))
    try:
        module = load_file(folder / "app.py")
        if (folder / "other_routes.py").exists():
            # Imported with the first request that needs it; Lambda never takes the folder away.
            importlib.import_module("other_routes")
    finally:
        sys.path.remove(str(folder))
    return module


def forget_services() -> None:
    """Drop what composition roots and clients of this process have made: of another test's storage and settings."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("lambent.runtime.", "lambent.adapters.clients")):
            for made in list(vars(module).values()):
                if hasattr(made, "cache_clear"):
                    made.cache_clear()
