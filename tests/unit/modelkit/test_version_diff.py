"""What `lambent diff` tells of two reports."""

from builders import World, contract, golden_vectors, model_files, tell_shade
from lambent.domain.model import ModelRef
from lambent.services.publish import publish_version
from lambent_toolkit.modelkit.report import Report
from lambent_toolkit.modelkit.step_files import to_json
from lambent_toolkit.modelkit.version_diff import compare_versions
from measured import classifier_report


def published(world: World, report: Report) -> ModelRef:
    files = {**model_files(golden_vectors(contract(), tell_shade)), "report.json": to_json(report)}
    return publish_version(files, contract(), store=world.store, registry=world.registry, clock=world.clock).ref


def test_figures_of_two_reports_are_compared_without_the_lists_of_classes_and_items() -> None:
    world = World()
    first = published(world, classifier_report([0, 1, 2], [0, 1, 2]))
    second = published(world, classifier_report([0, 1, 1], [0, 1, 2]))

    found = compare_versions(first, second, registry=world.registry, store=world.store)

    changed = {each.path: (each.first, each.second) for each in found.report}
    assert changed["classification.accuracy.value"] == (1.0, 2 / 3)
    assert "classification.reliability[0].ece" in changed
    assert not any("mistakes" in path or "confusion" in path or "bins" in path for path in changed)
