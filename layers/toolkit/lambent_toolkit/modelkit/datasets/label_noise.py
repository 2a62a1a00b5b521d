"""Items whose label a simple model doubts: confident learning.

Source: Northcutt, Jiang and Chuang, *Confident Learning: Estimating Uncertainty in Dataset Labels* (JAIR 70, 2021). An
item is suspect if a model that has not seen it is more confident of another class than it is on average of that class's
own items (off the diagonal of the confident joint); suspects are ranked by the confidence in the label they have.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.datasets.examination import Features
from lambent_toolkit.modelkit.datasets.manifest import Kind

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Some seconds on two cores, for pictures as for texts; more items than these are sampled.
MAX_EXAMINED = 10_000
_FOLDS = 5
_MAX_ITERATIONS = 300
_COMPONENTS = 40
_MAX_NGRAMS = 20_000
_MAX_WORDS = 200
# One against all others takes time for each class; beyond these, all are learned at once from fewer inputs.
_MANY_CLASSES = 50
_HASHED = 1 << 14
_HASHED_COMPONENTS = 100
# A model that hardly beats always saying the commonest class has nothing to say about labels.
_MIN_ADVANTAGE = 0.1


@dataclass(frozen=True)
class Doubt:
    """A suspect: row number, the class it seems to be, and the model's confidence in both, 0 to 1."""

    row: int
    predicted: int
    given_confidence: float
    predicted_confidence: float


@dataclass(frozen=True)
class Noise:
    """What was found.

    Parameters
    ----------
    doubts     the most doubtful label first
    examined   items that the model answered
    accuracy   of the simple model on items that it had not seen
    note       why not all items, or none, were examined; empty if all were
    """

    doubts: list[Doubt]
    examined: int
    accuracy: float
    note: str = ""


def find_noise(features: Sequence[Features], targets: NDArray[np.int64], *, kind: Kind, seed: int) -> Noise:
    """Return suspects among items of classes.

    Parameters
    ----------
    features   of items that differ in content: a copy in another fold would betray the label
    targets    int64 class numbers, one an item

    Logistic regression answers every item once, trained on folds that the item is not in: of pictures by the main
    components of their pixels at 16 x 16, of texts by the frequencies of one to three letters in a row (TF-IDF), of
    rows by scaled numbers and one-hot words.
    """
    rows = _sample(targets, seed)
    classes, given = np.unique(targets[rows], return_inverse=True)
    if len(classes) < 2:  # noqa: PLR2004 - nothing else that an item could be
        return Noise([], 0, 0.0, "Hardly any class has two different items, so labels were not examined.")
    chances = _out_of_fold(_inputs([features[row] for row in rows], kind), given, kind=kind, seed=seed)
    accuracy = float((chances.argmax(axis=1) == given).mean())
    commonest = float(np.bincount(given).max() / len(given))
    if accuracy < commonest + _MIN_ADVANTAGE * (1 - commonest):
        note = (
            f"The simple model is right about {accuracy:.0%} of items that it has not seen, naming the commonest class "
            f"always is about {commonest:.0%}: too little to doubt a label by."
        )
        return Noise([], len(rows), accuracy, note)
    is_all = len(rows) == len(targets)
    note = "" if is_all else f"{len(rows)} of {len(targets)} different items were examined."
    return Noise(_doubts(chances, given, rows, classes), len(rows), accuracy, note)


def confident_joint_suspects(chances: NDArray[np.float64], given: NDArray[np.int64]) -> dict[int, int]:
    """Return row → class it seems to be, of the rows off the diagonal of the confident joint.

    Parameters
    ----------
    chances   float64, shape (n, classes), out-of-fold probabilities
    given     int64, shape (n,), numbers of the chances' columns
    """
    thresholds = np.array([chances[given == number, number].mean() for number in range(chances.shape[1])])
    confident = np.where(chances >= thresholds, chances, -1.0)
    seems = confident.argmax(axis=1)
    is_suspect = (confident.max(axis=1) > 0) & (seems != given)
    return {int(row): int(seems[row]) for row in np.flatnonzero(is_suspect)}


def _doubts(
    chances: NDArray[np.float64], given: NDArray[np.int64], rows: NDArray[np.int64], classes: NDArray[np.int64]
) -> list[Doubt]:
    doubts = [
        Doubt(int(rows[place]), int(classes[seems]), float(chances[place, given[place]]), float(chances[place, seems]))
        for place, seems in confident_joint_suspects(chances, given).items()
    ]
    return sorted(doubts, key=lambda doubt: (doubt.given_confidence, doubt.row))


def _sample(targets: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return rows of classes that have two at least, so that one can be learned from while the other is asked about.

    At most about MAX_EXAMINED, each class by its share but with five items where it has them.
    """
    shuffled = np.random.default_rng(seed).permutation(len(targets))
    share = min(1.0, MAX_EXAMINED / len(targets))
    chosen = [np.empty(0, np.int64)]
    for number in np.unique(targets):
        own = shuffled[targets[shuffled] == number]
        if len(own) > 1:
            chosen.append(own[: max(_FOLDS, int(share * len(own)))])
    return np.sort(np.concatenate(chosen))


def _inputs(features: list[Features], kind: Kind) -> Any:
    if kind == "image":
        pixels = np.stack([each.pixels for each in features if each.pixels is not None]).astype(np.float32) / 255
        is_grey = bool((pixels == pixels[..., :1]).all())
        return (pixels[..., 0] if is_grey else pixels).reshape(len(pixels), -1)
    if kind == "text":
        return [each.text for each in features]
    return _filled([each.row or {} for each in features])


def _filled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with missing numbers replaced by the column's mean; missing words become none of the words.

    Columns of very many words are names of single rows, and are left out.
    """
    means: dict[str, float] = {}
    names: set[str] = set()
    for column in dict.fromkeys(name for row in rows for name in row):
        values = [value for row in rows if (value := row.get(column)) is not None]
        numbers = [value for value in values if isinstance(value, int | float)]
        if numbers:
            means[column] = float(np.mean(numbers))
        elif len(set(values)) > _MAX_WORDS:
            names.add(column)
    return [
        means | {name: cell for name, cell in row.items() if cell is not None and name not in names} for row in rows
    ]


def _out_of_fold(inputs: Any, given: NDArray[np.int64], *, kind: Kind, seed: int) -> NDArray[np.float64]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    counts = np.bincount(given)
    # Half of the items are in every fold's training, which bounds the components.
    components = min(_COMPONENTS, len(given) // 2, np.shape(inputs)[-1])
    model = _model(kind, components=components, classes=len(counts), seed=seed)
    parts = StratifiedKFold(min(_FOLDS, int(counts.max())), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # For a ranking, nearly converged is good enough; a class of two to four items is in as many folds.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The least populated class")
        chances = cross_val_predict(model, inputs, given, cv=parts, method="predict_proba")
    return np.asarray(chances, dtype=np.float64)


def _model(kind: Kind, *, components: int, classes: int, seed: int) -> Pipeline:
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "text" and classes > _MANY_CLASSES:
        hashed = HashingVectorizer(analyzer="char_wb", ngram_range=(1, 3), n_features=_HASHED)
        main = TruncatedSVD(_HASHED_COMPONENTS, random_state=seed)
        return make_pipeline(hashed, main, StandardScaler(), LogisticRegression(C=0.1, max_iter=_MAX_ITERATIONS))
    if kind == "text":
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), max_features=_MAX_NGRAMS, sublinear_tf=True)
        return make_pipeline(letters, SGDClassifier(loss="log_loss", random_state=seed))
    if kind == "image":
        # Neighbouring pixels say nearly the same; a strong penalty keeps the model from learning noise.
        main = PCA(components, whiten=True, svd_solver="full", random_state=seed)
        return make_pipeline(main, LogisticRegression(C=0.1, max_iter=_MAX_ITERATIONS))
    numbers = make_pipeline(DictVectorizer(), StandardScaler(with_mean=False))
    return make_pipeline(numbers, LogisticRegression(max_iter=_MAX_ITERATIONS))
