"""Measured numbers as people read them, whoever tells them: with no more digits than the measurement is worth."""

from __future__ import annotations

import math


def milliseconds(value: float) -> str:
    """A time in milliseconds with its unit: two digits below one, for timers are no finer; three above.

    >>> milliseconds(0.01817), milliseconds(1.5), milliseconds(1234.5)
    ('0.018 ms', '1.5 ms', '1,234 ms')
    """
    if not math.isfinite(value):
        return "—"
    if 0 < value < 1e-4:
        return "< 0.0001 ms"
    if abs(value) >= 999.5:  # which three digits would write as 1e+03
        return f"{value:,.0f} ms"
    return f"{value:.2g} ms" if abs(value) < 1 else f"{value:.3g} ms"


def chance(value: float | None) -> str:
    """A p-value, to two digits; nobody decides by its size below one in ten thousand.

    >>> chance(3e-38), chance(0.04367), chance(None)
    ('< 0.0001', '0.044', '—')
    """
    if value is None or math.isnan(value):
        return "—"
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"
