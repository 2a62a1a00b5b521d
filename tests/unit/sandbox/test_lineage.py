"""What Lambda's guard against endless loops counts, as it travels in trace headers."""

from urllib.parse import quote

import pytest

from lambent_toolkit.sandbox.lineage import MAX_RUNS, NEW_EVENT, Lineage

ONE, OTHER = (
    "arn:aws:lambda:us-east-1:123456789012:function:one",
    "arn:aws:lambda:us-east-1:123456789012:function:other",
)


def sent_on(lineage: Lineage) -> str:
    """Return the header as botocore puts it on a function's calls."""
    header = f"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;{lineage}"
    return quote(header, safe="-=;:+&[]{}\"',")


def test_runs_are_counted_along_a_chain_for_each_function() -> None:
    lineage = NEW_EVENT

    for _ in range(MAX_RUNS):
        lineage = Lineage.of([sent_on(lineage.after(ONE))])
    lineage = Lineage.of([sent_on(lineage.after(OTHER))])

    assert (lineage.runs_of(ONE), lineage.runs_of(OTHER)) == (MAX_RUNS, 1)


def test_of_a_batch_the_longest_chain_counts() -> None:
    short, long = NEW_EVENT.after(ONE), NEW_EVENT.after(ONE).after(ONE).after(OTHER)

    batch = Lineage.of([sent_on(short), None, sent_on(long)])

    assert (batch.runs_of(ONE), batch.runs_of(OTHER)) == (2, 1)


@pytest.mark.parametrize(
    "header", [None, "", "Root=1-2-3", "Lineage=", "Lineage=abc", "Lineage=abc:many", ";;", "Lineage=|:|"]
)
def test_a_header_without_a_count_begins_anew(header: str | None) -> None:
    assert Lineage.of([header]).runs_of(ONE) == 0
