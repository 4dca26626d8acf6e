"""The same feature table seen by Evidently: a page to look at and a second opinion. Our own statistics decide."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError
from augment_ops.extras import require
from augment_ops.names import looks_told, told_apart
from augment_ops.shown import LINE, plain

_MARKUP = {ord("<"): "‹", ord(">"): "›", ord("&"): "＆", ord('"'): "”", ord("'"): "’"}
_BACK = {ord(to): chr(this) for this, to in _MARKUP.items()}
_MAX_ROWS = 10_000  # Evidently's PSI took 44 s and 1.6 GB at a million rows; the page only illustrates


def render_page(reference: dict[str, NDArray[Any]], window: dict[str, NDArray[Any]]) -> str:
    """One HTML page of Evidently's data drift preset (PSI), without any network reference of its own.

    Evidently ends a report on a column that is empty, entirely missing or infinite, so such values count as missing
    here and such columns are left out. Above 10,000 rows an evenly spaced selection is shown.

    Args:
        reference: columns of one length: float (numeric features) or str (categories).
        window: likewise; only columns that both sides have are shown.

    Raises:
        DataError: no column can be shown, or Evidently fails on what is shown.
        NotInstalled: there is no Evidently.
    """
    require("evidently", "Evidently's page")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies deprecate each other; nothing here can act on that
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        reference, window = ({_name(name): values for name, values in side.items()} for side in (reference, window))
        usable = [name for name in reference if name in window and _shown(reference[name]) and _shown(window[name])]
        if not usable:
            raise DataError(
                "Evidently page",
                f"columns {', '.join(reference) or '(none)'}",
                "a column with values in both the reference and the window",
                "look at the drift report itself: it says what is missing",
            )
        numeric = [name for name in usable if _is_numeric(reference[name])]
        definition = DataDefinition(
            numerical_columns=numeric, categorical_columns=[name for name in usable if name not in numeric]
        )
        frames = [
            Dataset.from_pandas(pd.DataFrame({name: _column(side[name]) for name in usable}), definition)
            for side in (window, reference)
        ]
        try:
            snapshot = Report([DataDriftPreset(method="psi")]).run(*frames)
            return str(snapshot.get_html_str(as_iframe=False))
        except (
            Exception
        ) as error:  # it raises what NumPy and pandas raise inside it: values that differ in the last bit
            raise DataError(
                "Evidently page",
                f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
                "columns that Evidently can cut into bins",
                "look at the drift report itself, which does not rest on this page",
            ) from error


def _name(text: str) -> str:
    """Without what would be mark-up: Evidently writes names into its page's scripts as they are."""
    shown = plain(text).translate(_MARKUP)
    # Back from the characters that stand in for others: what is not `text` then would be some other name's as well.
    same = shown.translate(_BACK) == text and not looks_told(text, "~")
    return shown if same else told_apart(shown, text, LINE, "~")


def _is_numeric(values: NDArray[Any]) -> bool:
    return np.asarray(values).dtype.kind in "fiu"


def _column(values: NDArray[Any]) -> NDArray[Any]:
    values = np.asarray(values)
    step = -(-len(values) // _MAX_ROWS) or 1
    values = values[::step]
    if not _is_numeric(values):
        return np.array([_name(str(value)) for value in values], dtype=str)
    values = values.astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _shown(values: NDArray[Any]) -> bool:
    return bool(len(values)) and (not _is_numeric(values) or bool(np.isfinite(values).any()))
