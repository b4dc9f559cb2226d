"""Reads a page as its own script does."""

import base64
import json
import re
import zlib
from typing import Any

import numpy as np

from reluctant.report.page.figure import Numbers


def decoded(place: dict[str, Any], numbers: Numbers | bytes) -> np.ndarray:
    """The table that a figure's numbers stand for, NaN where there is a gap."""
    at = place["numbers"]
    block = numbers if isinstance(numbers, bytes) else numbers.bytes()
    kind, gap = ("<u2", 65_535) if at.get("fine") else ("u1", 255)
    rows, columns = at["shape"]
    levels = np.frombuffer(block, kind, rows * columns, at["at"]).reshape(rows, columns)
    values = at["low"] + levels / (gap - 1) * (at["high"] - at["low"])
    values = np.where(levels == gap, np.nan, values)
    if at.get("wide"):
        return 1e-3 * np.sinh(values)
    return 10**values if at.get("log") else values


def unpacked(page: str, name: str) -> bytes:
    """One of the blocks that the page carries."""
    found = re.search(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    assert found is not None
    return zlib.decompress(base64.b64decode(found[1]))


def figures(page: str) -> dict[str, Any]:
    """The figures of a page by their places."""
    found: dict[str, Any] = json.loads(unpacked(page, "figures"))
    return found
