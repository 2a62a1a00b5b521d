"""How much may be lost, as people write it."""

import pytest

from builders import contract
from lambent_toolkit.modelkit.errors import LimitUnfit
from lambent_toolkit.modelkit.quantization_limit import Limit, limit_of


@pytest.mark.parametrize(
    ("text", "metric", "limit"),
    [
        ("0.5pt", "accuracy", 0.5),
        (" 1 pt ", "accuracy", 1.0),
        ("2%", "rmse", 0.02),
        ("0pt", "accuracy", 0.0),
        ("3%", "outputs", 0.03),
    ],
)
def test_points_of_accuracy_and_per_cent_of_the_rmse_are_read(text: str, metric: str, limit: float) -> None:
    assert Limit.parse(text).of(metric) == pytest.approx(limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "half", "0.5", "-1pt", "1e3pt", "5 percent", "٣pt%"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(LimitUnfit, match=r"write 0\.5pt \(of accuracy\) or 2% \(of the RMSE\)"):
        Limit.parse(text)


@pytest.mark.parametrize(
    ("text", "metric", "remedy"),
    [("2%", "accuracy", "write 2pt"), ("0.5pt", "rmse", "write 0.5%"), ("3pt", "outputs", "write 3%")],
)
def test_the_unit_of_another_kind_of_model_is_refused(text: str, metric: str, remedy: str) -> None:
    with pytest.raises(LimitUnfit, match=remedy):
        Limit.parse(text).of(metric)  # type: ignore[arg-type]


def test_without_one_the_contracts_own_holds() -> None:
    quality = contract().quality

    assert limit_of(contract(), "accuracy") == quality.max_accuracy_drop_pt
    assert limit_of(contract(), "rmse") == quality.max_rmse_increase
    assert limit_of(contract(), "outputs") == quality.max_output_error
