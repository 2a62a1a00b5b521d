"""Bad input of every class, mutated by chance, is refused helpfully and never fails; the next request is fine."""

from __future__ import annotations

from random import Random

import bad_binary
import bad_items
import bad_jobs
import bad_media
import bad_names
import bad_oip
import bad_pictures
import bad_tfs
import pytest
from bad_input import BadInput
from chance import MUTATIONS, SEED
from good_input import check_good
from plane import Plane
from refusals import check_no_leak, check_refusal

CLASSES: list[BadInput] = [
    *bad_oip.CLASSES,
    *bad_binary.CLASSES,
    *bad_pictures.CLASSES,
    *bad_items.CLASSES,
    *bad_media.CLASSES,
    *bad_tfs.CLASSES,
    *bad_jobs.CLASSES,
    *bad_names.CLASSES,
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)
def test_bad_input_is_refused_with_its_code_and_the_next_request_is_fine(plane: Plane, kind: BadInput) -> None:
    for number in range(MUTATIONS):
        print(f"replay: LAMBENT_FAULTS_SEED={SEED}, {kind.name} mutation {number}")
        request = kind.make(Random(f"{SEED} {kind.name} {number}"))

        answer = plane.send(request)

        assert not plane.take_crashes()
        if not (kind.can_be_good and answer.status < 300):
            check_refusal(answer, kind.codes)
        check_good(plane, request.path)
    check_no_leak(plane.take_log())
