"""The largest difference from Keras, by model and door: the same items through every door of a local stack."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from harness import UNTHROTTLED

from lambent_toolkit.demo.local import own_stack
from lambent_toolkit.sandbox import StackInfo

sys.path.insert(0, str(Path(__file__).parents[1]))

from door_answers import DOORS, Doors
from door_models import door_models


def main() -> None:
    """Print the table, a line a model; a door that takes no such model has no figure."""
    print(f"{'':28}" + "".join(f"{door:>12}" for door in DOORS))
    with TemporaryDirectory() as folder, own_stack(parameters=UNTHROTTLED) as stack, client(stack) as http:
        doors = {model.contract.name: Doors(stack, http, model) for model in door_models(Path(folder))}
        for name, each in doors.items():
            found = each.differences()
            figures = (f"{found[door]:.1e}" if door in found else "" for door in DOORS)
            print(f"{name:28}" + "".join(f"{figure:>12}" for figure in figures))


def client(stack: StackInfo) -> httpx.Client:
    """Return a client that shows the stack's key."""
    return httpx.Client(base_url=stack.url, headers={"x-api-key": stack.api_key}, timeout=60)


if __name__ == "__main__":
    main()
