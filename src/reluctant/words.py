"""Numbers as a person reads them."""

from math import isfinite


def number(value: float) -> str:
    """Three significant digits: `0.0123`, `12.3`, `1.2e-09`."""
    if not isfinite(value):
        return str(value)
    size = abs(value)
    if value == 0 or 1e-3 <= size < 999.5:
        text = f"{value:.3g}"
    elif 999.5 <= size < 1e4:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.1e}"
    return f"−{text[1:]}" if text.startswith("-") else text


def percent(share: float) -> str:
    """A share as a percentage: `46 %`, `0.3 %`, `1,200 %`, `2.0e+06 %`."""
    value = 100 * share
    if not isfinite(value):
        return str(share)
    if abs(value) >= 1e5:
        return f"{value:.1e} %"
    return f"{value:,.0f} %" if abs(value) >= 10 else f"{value:.2g} %"


def plural(count: int, noun: str) -> str:
    """`1 unit`, `2 units`, `1,024 units`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def duration(seconds: float) -> str:
    """As long as a person would say: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"
