"""What went wrong, in the words that the cell shows."""

from __future__ import annotations

from cnnwidgets.errors import CnnWidgetsError, clipped

_MOST = 2000  # characters: an error of the user's model may hold a whole tensor


def in_words(error: BaseException, doing: str) -> dict[str, str]:
    """Return the message and the remedy of an error that came up while something was done ("the map was computed").

    An error of cnnwidgets names its remedy itself; one of the user's model is shown as Python would show it.
    """
    if isinstance(error, CnnWidgetsError):
        return {"message": clipped(str(error), _MOST), "remedy": ""}
    return {
        "message": clipped(f"{type(error).__name__}: {error}", _MOST),
        "remedy": f"This came up while {doing}. Does the model run on this image outside the widget?",
    }
