"""Small pictures of items for a report, read again from the source and compared with their digests."""

from __future__ import annotations

from collections.abc import Callable

from lambent.contracts.model import Limits
from lambent.errors import LambentError
from lambent_toolkit.modelkit.datasets.examination import Examined
from lambent_toolkit.modelkit.datasets.manifest import digest
from lambent_toolkit.modelkit.datasets.origins import Origin
from lambent_toolkit.modelkit.datasets.pictures import SMALL_TYPE, small_copy
from lambent_toolkit.modelkit.errors import ItemChanged
from lambent_toolkit.reporting.page import Thumbnail


def thumbnailer(origin: Origin, limits: Limits) -> Callable[[Examined], Thumbnail]:
    """Return what makes thumbnails, at most 96 pixels wide and high.

    Raises (what is returned)
    ------
    ItemChanged   the picture is not the one that was examined
    """

    def thumbnail(item: Examined) -> Thumbnail:
        path = item.candidate.path or ""
        try:
            body = origin.read(path, max_bytes=item.size_bytes)
        except LambentError as exc:
            raise ItemChanged(f"{origin.address}/{path} changed while it was added: {exc.detail}") from exc
        if digest(body) != item.sha256:
            raise ItemChanged(f"{origin.address}/{path} changed while it was added; add the data again.")
        return Thumbnail(small_copy(body, limits), SMALL_TYPE, alt=item.candidate.id)

    return thumbnail
