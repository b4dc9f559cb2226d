"""Scalars from TensorBoard's event files, without TensorBoard.

A file is a row of records: the length of one, 8 bytes, a checksum, 4, its bytes, another checksum
(tensorflow/core/lib/io/record_writer.h). Each is an `Event` (tensorboard/compat/proto/event.proto),
of which the step (field 2) and the summary (5) are read; of a summary's values (1) the tag (1) and
the number: plain (2), or the one element of a tensor (8).
"""

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Where nobody's event files are, and much else.
_SKIPPED = frozenset({"node_modules", "site-packages", "__pycache__"})

_FLOAT, _DOUBLE = 1, 2  # of DataType in tensor_shape's types.proto

_Fields = list[tuple[int, int | bytes]]


class Scalar(NamedTuple):
    """One number that was written."""

    tag: str
    step: int
    value: float


def files(root: Path, since: float, process: int | None = None) -> list[Path]:
    """The event files below a folder that were written to since then, in seconds since 1970.

    Their names tell which process wrote them, where torch's `SummaryWriter` did; of others it is
    not known, and they are taken for anyone's.
    """
    found = []
    for place, folders, names in os.walk(root):
        folders[:] = [at for at in folders if not at.startswith(".") and at not in _SKIPPED]
        for name in names:
            if "tfevents" in name and (process is None or _writer(name) in (None, process)):
                path = Path(place, name)
                with suppress(OSError):
                    if path.stat().st_mtime >= since:
                        found.append(path)
    return sorted(found)


def _writer(name: str) -> int | None:
    """As in events.out.tfevents.1764143000.host.4711.0, whose host may have dots, too."""
    parts = name.split(".")
    known = len(parts) >= 6 and parts[-1].isdigit() and parts[-2].isdigit()
    return int(parts[-2]) if known else None


def scalars(path: Path) -> Iterator[Scalar]:
    """All numbers in an event file, up to where it was cut off."""
    data = path.read_bytes()
    at = 0
    with suppress(struct.error, IndexError, ValueError):
        while at + 12 <= len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            yield from _of_event(data[at + 12 : at + 12 + length])
            at += length + 16


def _of_event(data: bytes) -> Iterator[Scalar]:
    event = list(_fields(data))
    step = next((value for number, value in event if number == 2), 0)
    for number, summary in event:
        if number == 5 and isinstance(summary, bytes):
            for _, value in (at for at in _fields(summary) if at[0] == 1):
                yield from _of_value(int(step), value)


def _of_value(step: int, data: int | bytes) -> Iterator[Scalar]:
    assert isinstance(data, bytes)
    tag = ""
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            tag = value.decode("utf-8", "replace")
        elif number == 2 and isinstance(value, bytes):
            yield Scalar(tag, step, struct.unpack("<f", value)[0])
        elif number == 8 and isinstance(value, bytes):
            yield from (Scalar(tag, step, one) for one in _of_tensor(value))


def _of_tensor(data: bytes) -> Iterator[float]:
    """Its number, if it is one: as content (4), or listed as floats (5) or doubles (6)."""
    known = list(_fields(data))
    kind = next((value for number, value in known if number == 1), None)
    form = {_FLOAT: "<f", _DOUBLE: "<d"}.get(kind if isinstance(kind, int) else 0)
    if form is None:
        return
    for number, value in known:
        whole = isinstance(value, bytes) and len(value) == struct.calcsize(form)
        if number in (4, 5, 6) and isinstance(value, bytes) and whole:
            yield struct.unpack(form, value)[0]


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: numbers as such, all else as its bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"no field has the wire type {kind}")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, until one without its highest bit."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
