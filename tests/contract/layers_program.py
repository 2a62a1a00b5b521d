"""What functions ask of their layers, in a process that sees nothing else; started by path in the base interpreter.

Arguments: what to do, and the folder with the tests' models.
"""

import importlib
import importlib.util
import pkgutil
import sys
from io import BytesIO
from pathlib import Path

NUMERIC = ("numpy", "PIL", "simplejpeg", "tokenizers", "ai_edge_litert")
SERVICES = ("batch", "dynamodb", "s3", "sns", "sqs")


def imports(_: Path) -> None:
    """Import the function and every module of ours that it could import later, but those of layers it has not."""
    importlib.import_module("app")
    import lambent

    for module in pkgutil.walk_packages(lambent.__path__, "lambent."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as exc:
            if not (exc.name in ("keras", "h5py") or is_of_a_layer_left_out(str(exc.name))):
                raise


def is_of_a_layer_left_out(module: str) -> bool:
    """Tell whether a module is one of a layer that this function does not have."""
    is_numeric = module in NUMERIC and importlib.util.find_spec("numpy") is None
    return is_numeric or (module.startswith("arro3") and importlib.util.find_spec("arro3") is None)


def pictures(_: Path) -> None:
    """Encode and decode every kind of picture that models take."""
    import numpy as np
    import simplejpeg
    from PIL import Image

    shades = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    grey = Image.fromarray((shades // 16).astype(np.uint8))
    kinds = [
        *((mode, kind) for mode in ("L", "RGB", "CMYK") for kind in ("JPEG",)),
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *((mode, "WEBP") for mode in ("RGB", "RGBA")),
    ]
    for mode, kind in kinds:
        picture = Image.fromarray(shades * 16) if mode == "I;16" else grey.convert(mode)
        encoded = BytesIO()
        picture.save(encoded, kind)
        with Image.open(encoded, formats=(kind,)) as read:
            read.load()
            small = read.resize((8, 8)) if mode == "I;16" else read.convert("RGB").resize((8, 8), Image.BILINEAR)
            assert np.asarray(small).any(), (mode, kind)
    pixels = np.asarray(grey.convert("RGB"))
    assert simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(pixels), min_height=8, min_width=8).shape[2] == 3


def texts(_: Path) -> None:
    """Read a tokenizer.json and encode a text by it."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    written = Tokenizer(models.WordLevel({"[UNK]": 0, "lambent": 1, "light": 2}, unk_token="[UNK]"))
    written.pre_tokenizer = pre_tokenizers.Whitespace()

    read = Tokenizer.from_str(written.to_str())

    assert read.encode("lambent light !").ids == [1, 2, 0]


def models(fixtures: Path) -> None:
    """Run the tests' models."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    for file in sorted(fixtures.glob("*.tflite")):
        interpreter = Interpreter(model_content=file.read_bytes())
        runner = interpreter.get_signature_runner()
        inputs = {
            name: np.ones(details["shape"], details["dtype"]) for name, details in runner.get_input_details().items()
        }
        assert all(np.isfinite(output).all() for output in runner(**inputs).values())


def tables(_: Path) -> None:
    """Write results as Parquet and read them again."""
    from lambent.contracts.batch_request import OutputOptions
    from lambent.contracts.parts import decode_part, encode_part

    lines = [{"id": "a", "label": "x", "score": 0.5, "top": [{"label": "x", "score": 0.5}]}, {"id": "b", "error": "no"}]
    output = OutputOptions(format="parquet")

    assert decode_part(encode_part(lines, output), output) == lines


def clients(_: Path) -> None:
    """Make the clients that functions make, and page through what they page through."""
    from lambent.adapters.clients import client

    for service in SERVICES:
        assert client(service).meta.service_model.service_name == service
    assert client("batch").can_paginate("list_jobs")


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
