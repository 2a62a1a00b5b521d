"""A report is one file that fetches nothing, runs nothing, and shows strangers' text as text."""

import re

import pytest

from lambent_toolkit.reporting.page import (
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Marked,
    Notice,
    Page,
    Prose,
    Section,
    Table,
    Thumbnail,
    render_page,
)

_PLOT = Figure(light=b"<svg>1</svg>", dark=b"<svg>2</svg>", alt="a plot", caption="Plot", width_px=500, height_px=300)


def _page(*blocks) -> str:
    return render_page(Page("title", "subtitle", [Section("heading", blocks)]))


def test_text_of_strangers_is_shown_and_never_run() -> None:
    hostile = '<script>alert("x")</script>'

    html = render_page(
        Page(
            hostile,
            hostile,
            [
                Section(
                    hostile,
                    [
                        Prose(hostile),
                        Notice(hostile),
                        KeyFigures([KeyFigure(hostile, hostile, hostile)]),
                        Table([Column(hostile, hostile)], [[hostile], [Marked(hostile, "bad")]], caption=hostile),
                        Table([Column("picture")], [[Thumbnail(b"x", "image/png", hostile)]]),
                    ],
                )
            ],
        )
    )

    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 10


def test_page_names_no_address_and_its_policy_allows_its_own_style_only() -> None:
    html = _page(_PLOT, Prose("text"))

    assert not re.search(r"https?://|//\w", re.sub(r"base64,[\w+/=]+", "", html))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html).group(1)
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy


def test_figure_has_a_picture_for_each_colour_scheme_and_a_text_for_those_who_see_none() -> None:
    html = _page(_PLOT)

    assert '<source media="(prefers-color-scheme: dark)" srcset="data:image/svg+xml;base64,PHN2Zz4yPC9zdmc+">' in html
    assert 'src="data:image/svg+xml;base64,PHN2Zz4xPC9zdmc+" alt="a plot"' in html
    assert "<figcaption>Plot</figcaption>" in html


def test_neighbouring_figures_share_a_row_and_others_do_not() -> None:
    html = _page(_PLOT, _PLOT, Prose("between"), _PLOT)

    assert html.count('<div class="figures">') == 2


def test_numbers_stand_at_the_right_with_their_unit_in_the_heading() -> None:
    html = _page(Table([Column("variant"), Column("size", "kB", is_number=True)], [["int8", "112"]]))

    assert '<th scope="col" class="number">size <span class="unit">kB</span></th>' in html
    assert re.search(r'<td class="number">\s*112\s*</td>', html)


def test_row_of_another_width_than_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells, the table has 1 columns"):
        Table([Column("one")], [["1", "2"]])


def test_folded_section_shows_its_heading_only() -> None:
    html = render_page(Page("t", sections=[Section("all mistakes", [Prose("text")], is_folded=True)]))

    assert "<details><summary><h2>all mistakes</h2></summary>" in html


def test_same_page_gives_the_same_text() -> None:
    assert _page(_PLOT, Prose("x")) == _page(_PLOT, Prose("x"))
