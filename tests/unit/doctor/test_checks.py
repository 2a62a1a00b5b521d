"""Each check passes on a stack that is well, and finds its fault; a check without a fault here fails the suite."""

import re
from pathlib import Path

import pytest

from lambent_toolkit.doctor import Status, examine
from lambent_toolkit.doctor.registry import all_checks
from unit.doctor.faults import FAULTS, Fault
from unit.doctor.well_stack import WellStack

README = Path(__file__).parents[3] / "layers/toolkit/lambent_toolkit/cli/README.md"


def test_every_check_passes_on_a_stack_that_is_well(well: WellStack) -> None:
    results = examine(well.patient())

    assert {each.name: each.finding for each in results if each.finding.status is not Status.OK} == {}
    assert [each.name for each in results] == [each.name for each in all_checks()]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_found_by_its_check_and_by_no_other(fault: Fault, well: WellStack) -> None:
    fault.seed(well)

    findings = {each.name: each.finding for each in examine(well.patient())}

    ill = {name: finding.status for name, finding in findings.items() if finding.status is not Status.OK}
    assert ill == {fault.check: fault.status, **fault.also}, {name: findings[name] for name in ill}
    assert fault.told in findings[fault.check].told
    assert findings[fault.check].mend


def test_checks_have_names_of_their_own_and_ask_questions() -> None:
    names = [each.name for each in all_checks()]

    assert len(set(names)) == len(names)
    assert all("?" in each.asks for each in all_checks())


def test_the_readme_says_how_many_there_are() -> None:
    said = re.findall(r"(\d+) (?:named checks|questions)", README.read_text())

    assert {int(number) for number in said} == {len(all_checks())}


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {each.check for each in FAULTS} == {each.name for each in all_checks()}
    assert len(all_checks()) >= 30
