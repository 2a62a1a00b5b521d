"""What a network is fitted to is what postprocessing makes the targets of."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from builders import contract
from lambent.contracts.model import Regression, TensorSpec
from lambent.domain.contract_check import check_contract
from lambent.domain.postprocessing import scale_rows
from lambent.errors import ModelContractMismatch
from lambent_toolkit.modelkit.network_targets import network_targets
from lambent_toolkit.modelkit.recipe import Prepared

TARGETS = np.array([120.0, -3.5, 0.0])


@pytest.mark.parametrize("spec", [Regression(), Regression(scale=77.0, offset=152.0), Regression(scale=-0.5, offset=1)])
def test_a_network_that_meets_its_targets_answers_the_data_s(spec: Regression) -> None:
    found = network_targets(Prepared([b""] * 3, TARGETS, {}), replace(contract(), postprocessing=spec))

    assert [each.value for each in scale_rows(found[:, None], spec)] == pytest.approx(TARGETS.tolist())


def test_class_numbers_and_unscaled_targets_are_handed_on_as_they_are() -> None:
    classes, numbers = np.array([2, 0, 1]), TARGETS

    assert network_targets(Prepared([b""] * 3, classes, {}), contract()) is classes
    assert (
        network_targets(Prepared([b""] * 3, numbers, {}), replace(contract(), postprocessing=Regression())) is numbers
    )


def test_a_scale_that_makes_the_same_number_of_everything_is_refused() -> None:
    outputs = (TensorSpec(name="scores", datatype="FP32", shape=(-1, 1)),)
    flat = replace(contract(), outputs=outputs, postprocessing=Regression(scale=0.0, offset=3.0))

    with pytest.raises(ModelContractMismatch, match="scale of 0"):
        check_contract(flat)
