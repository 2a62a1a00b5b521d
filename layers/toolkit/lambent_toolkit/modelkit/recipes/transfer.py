"""Transfer learning: a network that has learned from many pictures learns new classes from few.

The backbone is a .keras file of yours, such as one of `keras.applications` saved with its weights, or the model.keras
of another `lambent train`; the data is a data set of pictures by name::

    lambent data add flowers photos/            # a folder a class
    lambent train transfer --set backbone=mobilenet.keras --set data=flowers --set scale=0.00784 --set offset=-1

First a new head is trained on the frozen backbone; then the backbone's last layers are trained with it at a low rate
(Yosinski et al., "How transferable are features in deep neural networks?", 2014). Batch normalization keeps the
statistics of the backbone throughout: those of a few pictures are too noisy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from lambent.adapters.keras_archive import check_keras_archive
from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract, TensorSpec
from lambent.errors import ModelFormatRefused
from lambent.services.version_files import decode_contract
from lambent_toolkit.modelkit.errors import BackboneUnfit, SettingInvalid
from lambent_toolkit.modelkit.recipe import Count, Declaration, HyperParameters, LabelledItems, Rate, SplitData
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

if TYPE_CHECKING:
    import keras

INPUT = "image"
OUTPUT = "scores"
_PICTURE_RANK = 4
_CHANNELS = (1, 3)


class Settings(HyperParameters, frozen=True, kw_only=True):
    """What `lambent train transfer --set` can change.

    Parameters
    ----------
    backbone              path of a .keras file that takes pictures
    data                  name of a data set of pictures, or of a recipe whose data it is
    cut                   name of the layer whose output the new head gets; empty: what the backbone's own head gets,
                          which is its last layer with weights if that is dense
    size                  side of the pictures in pixels where the backbone takes any size
    scale, offset         what the backbone takes is ``pixel * scale + offset``; where a contract.json lies beside the
                          backbone, as `lambent evaluate` leaves it, its preprocessing is taken instead
    dropout               before the new head
    learning_rate         of the head
    unfrozen_layers       of the backbone, from its end, that the second phase trains too
    fine_tune_rate        of the second phase
    """

    backbone: str = ""
    data: str = "digits"
    cut: str = ""
    size: Count = 224
    scale: float = 1 / 255
    offset: float = 0.0
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.2
    learning_rate: Rate = 1e-3
    unfrozen_layers: Annotated[int, msgspec.Meta(ge=0)] = 20
    fine_tune_rate: Rate = 1e-5
    fine_tune_epochs: Annotated[int, msgspec.Meta(ge=0)] = 10

    def __post_init__(self) -> None:
        """Make the path absolute: later steps may be run from elsewhere."""
        if self.backbone:
            msgspec.structs.force_setattr(self, "backbone", str(Path(self.backbone).resolve()))


def sources(settings: Settings) -> list[Path]:
    """Return the backbone's file, and the contract that lies beside it."""
    backbone, beside = _backbone_path(settings), _contract_beside(settings)
    return [backbone, beside] if beside.is_file() else [backbone]


def data(settings: Settings) -> SplitData:
    """Return the data of that name; raises DataUnknown."""
    # Not at the top: it looks up the data of recipes, of which this is one.
    from lambent_toolkit.modelkit.data_source import find_data

    _backbone_path(settings)
    return find_data(settings.data)


def contract(train: LabelledItems, settings: Settings) -> Declaration:
    """Return the contract: pictures as the backbone takes them, the data's classes as labels.

    Raises
    ------
    BackboneUnfit   it takes no pictures
    """
    spec = _preprocessing(settings)
    declared = ModelContract(
        name="transfer",
        inputs=(TensorSpec(name=INPUT, datatype="FP32", shape=(-1, spec.height, spec.width, spec.channels)),),
        outputs=(TensorSpec(name=OUTPUT, datatype="FP32", shape=(-1, len(train.labels))),),
        preprocessing=spec,
        postprocessing=Classification(labels=train.labels),
    )
    return Declaration(declared)


def model(declared: ModelContract, settings: Settings) -> keras.Model:
    """Return the frozen backbone with a new head, compiled; raises BackboneUnfit."""
    import keras

    backbone = _load(settings)
    features = _features(backbone, settings)
    for layer in backbone.layers:
        layer.trainable = False
    if len(features.shape) == _PICTURE_RANK:
        features = keras.layers.GlobalAveragePooling2D(name="transfer_pool")(features)
    dropped = keras.layers.Dropout(settings.dropout, name="transfer_dropout")(features)
    labels = declared.outputs[0].shape[-1]
    scores = keras.layers.Dense(labels, activation="softmax", name=OUTPUT, dtype="float32")(dropped)
    network = keras.Model(backbone.inputs, scores, name="transfer")
    _compile(network, settings.learning_rate)
    return network


def fine_tune(network: keras.Model, settings: Settings) -> None:
    """Make the last layers of the backbone trainable, but for batch normalization."""
    import keras

    own = [layer for layer in network.layers if layer.weights and layer.name != OUTPUT]
    for layer in own[-settings.unfrozen_layers :] if settings.unfrozen_layers else []:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    _compile(network, settings.fine_tune_rate)


def _compile(network: keras.Model, rate: float) -> None:
    import keras

    network.compile(optimizer=keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])


def _backbone_path(settings: Settings) -> Path:
    if not settings.backbone:
        raise SettingInvalid("transfer needs a backbone: --set backbone=FILE.keras, a network that takes pictures.")
    path = Path(settings.backbone)
    if not path.is_file():
        raise BackboneUnfit(f"There is no backbone {path}: --set backbone= names a .keras file.")
    return path


def _contract_beside(settings: Settings) -> Path:
    return _backbone_path(settings).with_name("contract.json")


def _load(settings: Settings) -> keras.Model:
    path = _backbone_path(settings)
    try:
        check_keras_archive(path)
    except ModelFormatRefused as exc:
        raise BackboneUnfit(f"The backbone {path} is not loaded: {exc.detail}") from exc
    with quiet():
        import keras

        try:
            backbone = keras.models.load_model(path, compile=False, safe_mode=True)
        # Keras raises whatever its layers raise on numbers that they do not expect.
        except (ValueError, TypeError, KeyError, OSError, AttributeError) as exc:
            raise BackboneUnfit(f"Keras cannot load {path}: {str(exc).strip().splitlines()[0][:200]}") from exc
    shapes = [tuple(tensor.shape) for tensor in getattr(backbone, "inputs", None) or []]
    if len(shapes) != 1 or len(shapes[0]) != _PICTURE_RANK or shapes[0][3] not in _CHANNELS:
        raise BackboneUnfit(
            f"The backbone {path} takes {shapes}: a backbone for pictures has one input of shape "
            "(None, height, width, 1 or 3)."
        )
    return backbone


def _features(backbone: keras.Model, settings: Settings) -> Any:
    names = [layer.name for layer in backbone.layers]
    if settings.cut:
        if settings.cut not in names:
            raise BackboneUnfit(f"The backbone has no layer {settings.cut!r}; its last ones: {', '.join(names[-8:])}.")
        return backbone.get_layer(settings.cut).output
    head = max((number for number, layer in enumerate(backbone.layers) if layer.weights), default=0)
    # A backbone saved without its head ends with features already: nothing but pooling and activations after its last
    # convolution.
    if type(backbone.layers[head]).__name__ != "Dense":
        return backbone.outputs[0]
    return backbone.layers[head].input


def _preprocessing(settings: Settings) -> ImagePreprocessing:
    beside = _contract_beside(settings)
    if beside.is_file():
        found = decode_contract(beside.read_bytes()).preprocessing
        if isinstance(found, ImagePreprocessing):
            return found
    _, height, width, channels = _load(settings).inputs[0].shape
    return ImagePreprocessing(
        height=height or settings.size,
        width=width or settings.size,
        channels=channels,
        scale=settings.scale,
        offset=settings.offset,
    )
