"""Transfer learning from a given backbone: what is frozen, what is trained, and which backbones are refused."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from lambent.contracts.model import Classification, ImagePreprocessing
from lambent_toolkit.modelkit.errors import BackboneUnfit, DataUnknown, DataUnusable, SettingInvalid
from lambent_toolkit.modelkit.recipe import Recipe, Split, prepare
from lambent_toolkit.modelkit.recipe_settings import with_settings
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.training import train
from lambent_toolkit.modelkit.training_identity import identify

pytestmark = [FOREIGN_WARNINGS]
FEATURES = 4


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a small network with batch normalization, trained for nothing: its weights are told apart all the same."""
    import keras

    keras.utils.set_random_seed(3)
    network = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(FEATURES, 3, name="first"),
            keras.layers.BatchNormalization(name="normal"),
            keras.layers.Conv2D(FEATURES, 3, name="second"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
            keras.layers.Dense(7, name="own_head"),
        ]
    )
    path = tmp_path_factory.mktemp("backbone") / "backbone.keras"
    network.save(path)
    return path


def recipe(backbone: Path, **settings: object) -> Recipe:
    texts = [f"{key}={value}" for key, value in {"backbone": backbone, "epochs": 1, **settings}.items()]
    return with_settings(RECIPES["transfer"], texts)


@pytest.fixture(scope="module")
def split(backbone: Path) -> Split:
    return prepare(recipe(backbone))


def weights(model: object, layer: str) -> list[np.ndarray]:
    return model.get_layer(layer).get_weights()  # type: ignore[attr-defined, no-any-return]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(first, second) for first, second in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def original(backbone: Path) -> object:
    import keras

    return keras.models.load_model(backbone)


def test_contract_takes_pictures_as_the_backbone_does_and_names_the_data_s_classes(split: Split) -> None:
    spec, answer = split.contract.preprocessing, split.contract.postprocessing

    assert isinstance(spec, ImagePreprocessing)
    assert isinstance(answer, Classification)
    assert (spec.height, spec.width, spec.channels) == (16, 16, 3)
    assert answer.labels == tuple("0123456789")


def test_first_phase_trains_the_head_alone(backbone: Path, split: Split, original: object) -> None:
    trained = train(recipe(backbone, fine_tune_epochs=0), split).model

    assert all(same(weights(trained, layer), weights(original, layer)) for layer in ("first", "normal", "second"))
    assert "own_head" not in [layer.name for layer in trained.layers]
    assert trained.get_layer("scores").get_weights()[0].shape == (FEATURES, 10)


def test_second_phase_trains_the_last_layers_and_leaves_batch_normalization(
    backbone: Path, split: Split, original: object
) -> None:
    settings = {"fine_tune_epochs": 1, "unfrozen_layers": 2, "fine_tune_rate": 0.01, "patience_epochs": 5}

    trained = train(recipe(backbone, **settings), split)

    assert trained.best_epoch == 2
    assert not same(weights(trained.model, "second"), weights(original, "second"))
    assert same(weights(trained.model, "normal"), weights(original, "normal"))
    assert same(weights(trained.model, "first"), weights(original, "first"))


def test_named_layer_is_where_the_backbone_is_cut(backbone: Path, split: Split) -> None:
    chosen = recipe(backbone, cut="first")

    model = chosen.model(split.contract, chosen.settings)

    assert "second" not in [layer.name for layer in model.layers]
    assert model.get_layer("transfer_pool").output.shape == (None, FEATURES)


def test_backbone_that_lambent_trained_brings_its_preprocessing(tmp_path: Path, trained_folder: Path) -> None:
    (tmp_path / "model.keras").write_bytes((trained_folder / "model.keras").read_bytes())
    declared = {
        "schema_version": 1,
        "name": "digits",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 28, 28, 1]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 2]}],
        "preprocessing": {"kind": "image", "height": 28, "width": 28, "channels": 1, "resize": "box", "background": 0},
        "postprocessing": {"kind": "classification", "labels": ["a", "b"]},
    }
    (tmp_path / "contract.json").write_text(json.dumps(declared))

    spec = prepare(recipe(tmp_path / "model.keras")).contract.preprocessing

    assert spec == ImagePreprocessing(height=28, width=28, channels=1, resize="box", background=0)


def test_other_backbone_under_the_same_name_is_another_training(backbone: Path, split: Split, tmp_path: Path) -> None:
    other = tmp_path / backbone.name
    other.write_bytes(backbone.read_bytes() + b"\0")
    before, now = identify(recipe(backbone), split), identify(recipe(other), split)

    assert f"{backbone.name} has changed" in now.differences(before)
    assert before.sources.keys() == {backbone.name}


def test_backbone_s_path_holds_from_any_folder(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(backbone.parent)

    assert recipe(Path(backbone.name)).settings.backbone == str(backbone.resolve())


def test_transfer_without_a_backbone_says_what_is_missing() -> None:
    with pytest.raises(SettingInvalid, match=r"--set backbone=FILE\.keras"):
        prepare(RECIPES["transfer"])


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"backbone": "/no/such.keras"}, BackboneUnfit, "There is no backbone /no/such.keras"),
        ({"data": "nowhere"}, DataUnknown, "nowhere"),
        ({"data": "language"}, DataUnusable, "Item 1 of .*cannot be prepared for transfer: .*no known image format"),
    ],
)
def test_settings_that_lead_nowhere_are_told(backbone: Path, settings: dict, error: type, told: str) -> None:
    named = RECIPES["transfer"].having(**{"backbone": str(backbone), **settings})

    with pytest.raises(error, match=told):
        prepare(named)


def test_unknown_cut_is_told_with_the_layers_there_are(backbone: Path, split: Split) -> None:
    chosen = recipe(backbone, cut="nowhere")

    with pytest.raises(BackboneUnfit, match=r"no layer 'nowhere'; its last ones: .*second, pool, own_head"):
        chosen.model(split.contract, chosen.settings)


def test_backbone_that_may_run_code_is_refused_before_it_is_loaded(tmp_path: Path, backbone: Path) -> None:
    evil = tmp_path / "evil.keras"
    with zipfile.ZipFile(backbone) as source, zipfile.ZipFile(evil, "w") as target:
        for member in source.namelist():
            body = source.read(member)
            target.writestr(member, body.replace(b'"Conv2D"', b'"Lambda"') if member == "config.json" else body)

    with pytest.raises(BackboneUnfit, match="not loaded"):
        prepare(recipe(evil))


def test_backbone_that_takes_no_pictures_is_refused(tmp_path: Path) -> None:
    import keras

    keras.Sequential([keras.Input((13,)), keras.layers.Dense(3)]).save(tmp_path / "table.keras")

    with pytest.raises(BackboneUnfit, match=r"takes \[\(None, 13\)\].*one input of shape"):
        prepare(recipe(tmp_path / "table.keras"))


def test_model_that_ends_with_features_keeps_them(tmp_path: Path, split: Split) -> None:
    import keras

    headless = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(5, 3), keras.layers.ReLU()])
    headless.save(tmp_path / "headless.keras")
    chosen = recipe(tmp_path / "headless.keras")

    model = chosen.model(split.contract, chosen.settings)

    assert model.get_layer("transfer_pool").output.shape == (None, 5)
