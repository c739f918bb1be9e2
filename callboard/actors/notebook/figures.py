"""Figures of matplotlib, which do not say themselves how to show them."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import Any


def figure_png(value: object) -> bytes | None:
    """The figure that a value is or belongs to, as PNG; None if it is nothing of matplotlib's.

    Takes what plotting calls return: a figure, an artist such as axes, or a list or an array of
    them. The figure is closed for pyplot. Raises what drawing raises.
    """
    artists = sys.modules.get("matplotlib.artist")
    if artists is None:
        return None
    figure = _figure_of(value, artists.Artist)
    if figure is None:
        return None
    picture = BytesIO()
    figure.savefig(picture, format="png", bbox_inches="tight")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        # else pyplot would keep the figure, and the next cell would draw on it
        pyplot.close(figure)
    return picture.getvalue()


def _figure_of(value: Any, artist: type) -> Any:
    if type(value).__name__ == "ndarray" and value.dtype == object:
        value = list(value.flat)
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, artist) for v in value):
        value = value[0]
    if not isinstance(value, artist):
        return None
    if hasattr(value, "savefig"):
        return value
    return value.get_figure()  # type: ignore[attr-defined]
