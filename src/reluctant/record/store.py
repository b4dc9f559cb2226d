"""The record's SQLite file: written one transaction a sample, read as a `Run`."""

import json
import os
import shutil
import sqlite3
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.errors import RecordDamaged, RecordNotWritten, RecordTooNew
from reluctant.record import folder, merging, schema
from reluctant.record.info import RunInfo
from reluctant.record.run import (
    Function,
    Head,
    HeadSeries,
    InputSeries,
    Layer,
    LayerSeries,
    Parameter,
    Run,
    Sample,
    Site,
    SiteSeries,
)

Array = NDArray[Any]
# How long we wait for another process's lock at the start and at the end of a run. In between the
# script would feel it: a sample that finds the file locked is written together with a later one.
BUSY_SECONDS = 0.5
# So many samples are kept for later.
MOST_WAITING = 64

# Since then records tell what layers are fed and what loss functions are given.
_VERSION_OF_HEADS = 2
_INPUT = tuple(field.name for field in fields(InputSeries))[1:]
_HEAD = tuple(field.name for field in fields(HeadSeries))[1:]

# How SQLite words what is no fault of ours; only Python 3.11 and later have codes for it.
_OUTSIDE = ("disk", "readonly", "unable to open")


@dataclass(frozen=True)
class NewLayer:
    """A layer met for the first time; `root` is the model that owns it ('' if none)."""

    index: int
    name: str
    root: str
    kind: str
    shape: tuple[int, ...]
    units: int
    position: int
    stride: int = 1


@dataclass(frozen=True)
class NewSite:
    """A site met for the first time; `root` is the outermost module on the stack ('' if none)."""

    index: int
    name: str
    root: str
    function: int
    layer: int | None
    units: int
    aligned: bool
    inside: bool
    stride: int = 1


@dataclass(frozen=True)
class SiteRow:
    """One site in one sample; the arrays are (U,)."""

    site: int
    inputs: int
    values: int
    fired: Array
    mean: Array
    std: Array
    low: Array
    high: Array
    gradient_in: Array | None
    gradient_out: Array | None


@dataclass(frozen=True)
class LayerRow:
    """One layer in one sample; the arrays are (U,), or a part of it that begins with `first`."""

    layer: int
    gradient: Array
    weight: Array
    update: Array
    bias: Array | None
    first: int = 0


@dataclass(frozen=True)
class NewParameter:
    """A parameter as it stands now, `root` the model that owns it; replaces what was known."""

    name: str
    root: str
    shape: tuple[int, ...]
    optimized: bool
    wanted: bool
    used: bool
    first_gradient: int | None


@dataclass(frozen=True)
class InputRow:
    """What a layer was fed in one sample: the numbers of `InputSeries`, in their order."""

    layer: int
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class HeadRow:
    """What a head was given in one sample: the numbers of `HeadSeries`, in their order."""

    head: int
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Observation:
    """All that one transaction writes: a sample, and what it met for the first time."""

    sample: Sample
    layers: tuple[NewLayer, ...] = ()
    functions: tuple[Function, ...] = ()
    sites: tuple[NewSite, ...] = ()
    feeds: tuple[tuple[int, int], ...] = ()
    site_rows: tuple[SiteRow, ...] = ()
    layer_rows: tuple[LayerRow, ...] = ()
    outputs: tuple[int, ...] = ()
    parameters: tuple[NewParameter, ...] = ()
    heads: tuple[Head, ...] = ()
    input_rows: tuple[InputRow, ...] = ()
    head_rows: tuple[HeadRow, ...] = ()


class Writer:
    """Writes one rank's part of a record, and never waits for another process to let it."""

    def __init__(self, path: Path, rank: int = 0) -> None:
        self._path = path / schema.part(rank)
        self._waiting: deque[Observation] = deque()
        self._connection = sqlite3.connect(
            self._path,
            isolation_level=None,
            check_same_thread=False,  # optimizers may step in any thread, one at a time
            timeout=BUSY_SECONDS,
        )
        # The log is synced at checkpoints only: a crash of the machine may lose the last
        # samples, a crash of the process loses none.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(
            f"BEGIN; {schema.TABLES} PRAGMA user_version = {schema.VERSION}; COMMIT;"
        )
        self._wait_at_most(0)
        self._made = os.stat(self._path)

    def write(self, seen: Observation) -> None:
        """Add one sample, all of it or nothing; later, if another process locks the file now.

        Raises:
            RecordNotWritten: the disk is full, the file is gone, or locked for too long.
        """
        self._waiting.append(seen)
        self._write_waiting()
        if len(self._waiting) > MOST_WAITING:
            raise self._not_written(f"the database was locked for {MOST_WAITING} samples")

    def _write_waiting(self) -> None:
        if not self._there():
            # SQLite would go on to write into what has no name any more.
            raise self._not_written("it was deleted or replaced")
        while self._waiting:
            seen = self._waiting.popleft()
            try:
                self._write(seen)
            except sqlite3.DatabaseError as error:
                if "locked" in str(error):
                    self._waiting.appendleft(seen)
                    return
                if any(words in str(error) for words in _OUTSIDE):
                    raise self._not_written(error) from error
                raise

    def _there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), self._made)
        except OSError:
            return False

    def _not_written(self, why: object) -> RecordNotWritten:
        return RecordNotWritten.at(self._path.parent, why)

    def _wait_at_most(self, seconds: float) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    def _write(self, seen: Observation) -> None:
        put = self._connection.execute
        put("BEGIN IMMEDIATE")
        try:
            self._write_new(seen)
            at = seen.sample
            place = (at.index, at.step, at.optimizer)
            facts = (_keep_nan(at.loss), at.rate, at.seconds, at.optimizers, at.skipped)
            self._insert("sample", [(*place, *facts)])
            self._insert("site_sample", [_site_values(at.index, row) for row in seen.site_rows])
            self._insert("layer_sample", [_layer_values(at.index, row) for row in seen.layer_rows])
            fed = [(at.index, row.layer, *row.numbers) for row in seen.input_rows]
            self._insert("input_sample", fed)
            given = [(at.index, row.head, *row.numbers) for row in seen.head_rows]
            self._insert("head_sample", given)
            put("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                put("ROLLBACK")
            raise

    def _write_new(self, seen: Observation) -> None:
        self._insert("layer", [_layer_facts(layer) for layer in seen.layers])
        self._insert("function", [(f.index, f.name, _pack_facts(f)) for f in seen.functions])
        self._insert("site", [astuple(site) for site in seen.sites])
        self._insert("feeds", list(seen.feeds), "INSERT OR IGNORE")
        self._insert("output", [(site,) for site in seen.outputs], "INSERT OR IGNORE")
        self._insert("head", [astuple(head) for head in seen.heads])
        parameters = [_parameter_facts(at) for at in seen.parameters]
        self._insert("parameter", parameters, "INSERT OR REPLACE")

    def _insert(self, table: str, rows: Sequence[tuple[object, ...]], how: str = "INSERT") -> None:
        if rows:
            marks = ",".join("?" * len(rows[0]))
            self._connection.executemany(f"{how} INTO {table} VALUES ({marks})", rows)

    def close(self) -> None:
        """Write what waits, fold the log into the file and let go of it.

        Raises:
            RecordNotWritten: what waited, or the file, is lost.
        """
        try:
            self._wait_at_most(BUSY_SECONDS)
            self._write_waiting()
            if self._waiting:
                raise self._not_written("the database is locked")
        finally:
            self._connection.close()


def _layer_facts(layer: NewLayer) -> tuple[object, ...]:
    names = (layer.index, layer.name, layer.root, layer.kind)
    return (*names, json.dumps(layer.shape), layer.units, layer.position, layer.stride)


def _parameter_facts(at: NewParameter) -> tuple[object, ...]:
    flags = (at.optimized, at.wanted, at.used)
    return (at.name, at.root, json.dumps(at.shape), *flags, at.first_gradient)


def _site_values(sample: int, row: SiteRow) -> tuple[object, ...]:
    blobs = (row.mean, row.std, row.low, row.high, row.gradient_in, row.gradient_out)
    return (sample, row.site, row.inputs, row.values, pack_counts(row.fired), *map(pack, blobs))


def _layer_values(sample: int, row: LayerRow) -> tuple[object, ...]:
    arrays = (row.gradient, row.weight, row.update, row.bias)
    return (sample, row.layer, *map(pack, arrays), row.first)


def pack(values: Array | None) -> bytes | None:
    """A per-unit array as a blob of little-endian float32; None stays None."""
    return None if values is None else np.ascontiguousarray(values, dtype="<f4").tobytes()


def pack_counts(values: Array) -> bytes:
    """Counts, none of them negative, as a blob of 1, 2, 4 or 8 bytes each, little-endian."""
    top = int(values.max(initial=0))
    width = next(width for width in (1, 2, 4, 8) if top < 1 << (8 * width))
    return np.ascontiguousarray(values, dtype=f"<u{width}").tobytes()


def unpack(blobs: Iterable[bytes | None], units: int, firsts: Iterable[int] | None = None) -> Array:
    """Blobs, one a sample, as (T, units) float32, NaN where a blob or a part of one is missing.

    Raises:
        ValueError: a blob is not one of `units` numbers; with `firsts`, which say where each
            begins, it does not fit among them.
    """
    blobs = list(blobs)
    rows = np.full((len(blobs), units), np.nan, dtype="<f4")
    places = [0] * len(blobs) if firsts is None else list(firsts)
    for row, blob, first in zip(rows, blobs, places, strict=True):
        if blob is not None:
            values = np.frombuffer(blob, dtype="<f4")
            if (len(values) != units) if firsts is None else not 0 <= first <= units - len(values):
                raise ValueError(f"a row does not hold {units} numbers")
            row[first : first + len(values)] = values
    return rows


def unpack_counts(blobs: Iterable[bytes], units: int) -> Array:
    """Blobs of counts, one a sample, as (T, units) int64.

    Raises:
        ValueError: a blob is not one of `units` counts.
    """
    rows = []
    for blob in blobs:
        width, rest = divmod(len(blob), units)
        if rest or width not in (1, 2, 4, 8):
            raise ValueError(f"a row does not hold {units} counts")
        rows.append(np.frombuffer(blob, dtype=f"<u{width}").astype(np.int64))
    return np.stack(rows) if rows else np.empty((0, units), dtype=np.int64)


def _keep_nan(value: float | None) -> float | str | None:
    """SQLite stores NaN as NULL, but a loss that is NaN is not a loss that is unknown."""
    return "nan" if value is not None and value != value else value


def _sample(index: int, step: int, optimizer: int, loss: object, *facts: Any) -> Sample:
    rate, seconds, optimizers, skipped = facts
    value = None if loss is None else float(str(loss))
    return Sample(index, step, optimizer, value, rate, seconds, optimizers, bool(skipped))


def _pack_facts(function: Function) -> str:
    facts = {field.name: getattr(function, field.name) for field in fields(function)}
    del facts["index"], facts["name"]
    return json.dumps(facts)


def _unpack_facts(index: int, name: str, facts: str) -> Function:
    content = json.loads(facts)
    content["flat"] = tuple((low, high) for low, high in content["flat"])
    content["curve"] = tuple(tuple(axis) for axis in content["curve"])
    return Function(index, name, **content)


class _Reader:
    """Reads the series of one file when they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        with self.damage():
            self._connection = self._open(path)
        (self.version,) = self.rows("PRAGMA user_version")[0]
        if self.version > schema.VERSION:
            raise RecordTooNew.at(path.parent, self.version, schema.VERSION)
        self.units: dict[str, dict[int, int]] = {"site": {}, "layer": {}}

    def _open(self, path: Path) -> sqlite3.Connection:
        log = path.with_name(path.name + "-wal")
        if not log.exists():
            # Nobody is writing: not even the files that SQLite keeps beside it are needed.
            return self._connect(path, "immutable=1")
        try:
            # A killed run leaves its last samples in the log, which only a connection that may
            # write can read.
            return self._connect(path, "mode=rw")
        except sqlite3.OperationalError:
            self._copy = tempfile.TemporaryDirectory(prefix="reluctant-")
            for file in (path, log):
                shutil.copyfile(file, Path(self._copy.name) / file.name)
            return self._connect(Path(self._copy.name) / path.name, "mode=rw")

    @staticmethod
    def _connect(path: Path, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, check_same_thread=False)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection

    @contextmanager
    def damage(self) -> Iterator[None]:
        """Whatever goes wrong in reading is damage to the record, and said so."""
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError, KeyError, IndexError) as error:
            raise RecordDamaged.at(self._path.parent, f"{self._path.name}: {error}") from error

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.damage():
            return self._connection.execute(query, values).fetchall()

    def site(self, index: int) -> SiteSeries:
        rows = self.rows(
            "SELECT sample, inputs, vals, fired, mean, std, low, high, gradient_in, gradient_out "
            "FROM site_sample WHERE site = ? ORDER BY sample",
            index,
        )
        units = self.units["site"][index]
        columns = list(zip(*rows, strict=True)) or [()] * 10
        with self.damage():
            samples, inputs, values = (np.array(column, dtype=np.int64) for column in columns[:3])
            fired = unpack_counts(columns[3], units)
            mean, std, low, high, into, out = (unpack(column, units) for column in columns[4:])
        return SiteSeries(samples, inputs, values, fired, mean, std, low, high, into, out)

    def layer(self, index: int) -> LayerSeries:
        rows = self.rows(
            "SELECT sample, gradient, weight, updated, bias, first "
            "FROM layer_sample WHERE layer = ? ORDER BY sample",
            index,
        )
        units = self.units["layer"][index]
        columns = list(zip(*rows, strict=True)) or [()] * 6
        with self.damage():
            samples = np.array(columns[0], dtype=np.int64)
            gradient, weight, update, bias = (
                unpack(column, units, columns[5]) for column in columns[1:5]
            )
        return LayerSeries(samples, gradient, weight, update, bias)

    def fed(self, index: int) -> InputSeries:
        return InputSeries(*self._numbers("input_sample", "layer", index, len(_INPUT)))

    def head(self, index: int) -> HeadSeries:
        return HeadSeries(*self._numbers("head_sample", "head", index, len(_HEAD)))

    def _numbers(self, table: str, key: str, index: int, count: int) -> Iterator[Array]:
        """The samples (T,), then each of the columns (T,) with NaN for what is NULL."""
        if self.version < _VERSION_OF_HEADS:
            rows = []
        else:
            rows = self.rows(f"SELECT * FROM {table} WHERE {key} = ? ORDER BY sample", index)
        with self.damage():
            columns = list(zip(*rows, strict=True)) or [()] * (count + 2)
            yield np.array(columns[0], dtype=np.int64)
            for column in columns[2:]:
                yield np.array(column, dtype=np.float64)

    def full_name(self, root: str, name: str) -> str:
        """The name with its model's before it, where it has no other or there are several."""
        if not name or name.startswith(":"):
            return (root or "script") + name
        return f"{root}.{name}" if root and len(self._roots) > 1 else name

    @cached_property
    def _roots(self) -> set[str]:
        return {root for (root,) in self.rows("SELECT DISTINCT root FROM layer") if root}

    def run(self, info: RunInfo, path: Path) -> Run:
        """All but the series, which are read when they are asked for."""
        layers = tuple(sorted(self._layers(), key=lambda layer: layer.index))
        sites = tuple(self._sites())
        self.units["site"] = {site.index: site.read for site in sites}
        self.units["layer"] = {layer.index: layer.read for layer in layers}
        _check_numbers(sites, len(layers))
        functions = self.rows("SELECT id, name, facts FROM function ORDER BY id")
        samples = self.rows(
            "SELECT id, step, optimizer, loss, rate, seconds, optimizers, skipped "
            "FROM sample ORDER BY id"
        )
        return Run(
            info,
            layers,
            sites,
            tuple(_unpack_facts(*row) for row in functions),
            tuple(_sample(*row) for row in samples),
            self,
            path,
            *self._added(),
        )

    def _added(self) -> tuple[tuple[Parameter, ...], tuple[Head, ...]]:
        """What records tell since there are heads."""
        if self.version < _VERSION_OF_HEADS:
            return (), ()
        parameters = self.rows(
            "SELECT name, root, shape, optimized, wanted, used, gradient FROM parameter "
            "ORDER BY rowid"
        )
        heads = self.rows("SELECT id, function, site, behind FROM head ORDER BY id")
        return tuple(
            Parameter(
                self.full_name(root, name),
                tuple(json.loads(shape)),
                bool(optimized),
                bool(wanted),
                bool(used),
                when,
            )
            for name, root, shape, optimized, wanted, used, when in parameters
        ), tuple(Head(*row) for row in heads)

    def _layers(self) -> Iterator[Layer]:
        feeds: dict[int, list[int]] = {}
        for site, layer in self.rows("SELECT site, layer FROM feeds ORDER BY site"):
            feeds.setdefault(layer, []).append(site)
        rows = self.rows(
            "SELECT id, name, root, kind, shape, units, stride FROM layer "
            "ORDER BY root, position, id"
        )
        for order, (index, name, root, kind, shape, units, stride) in enumerate(rows):
            full, inputs = self.full_name(root, name), tuple(feeds.get(index, ()))
            yield Layer(index, full, kind, tuple(json.loads(shape)), units, order, inputs, stride)

    def _sites(self) -> Iterator[Site]:
        known = self.version >= _VERSION_OF_HEADS
        last = {site for (site,) in self.rows("SELECT site FROM output")} if known else set()
        for index, name, root, function, layer, units, aligned, inside, stride in self.rows(
            "SELECT id, name, root, function, layer, units, aligned, inside, stride "
            "FROM site ORDER BY id"
        ):
            full, flags = self.full_name(root, name), (bool(aligned), bool(inside))
            place = (index, full, function, layer, units, index, root)
            yield Site(*place, *flags, stride, index in last)


def load(path: str | Path) -> Run:
    """Read the run in the folder `path`. Per-unit series are read when they are asked for.

    Raises:
        RunNotFound, RecordDamaged, RecordTooNew: as their names say.
    """
    path = Path(path).resolve()
    content = folder.read_info(path)
    known = {field.name for field in fields(RunInfo)}
    info = RunInfo(**{key: value for key, value in content.items() if key in known})
    if info.failure is None:
        info = replace(info, failure=_failure(path))
    parts = sorted(path.glob("rank-*.sqlite"), key=lambda part: int(part.stem[len("rank-") :]))
    runs = [run for part in parts if (run := _part(part, info, path)) is not None]
    if not runs:
        return Run(info, (), (), (), (), _Nothing(), path)
    return merging.join(runs)


def _failure(path: Path) -> str | None:
    """What the first rank that failed says of it."""
    for file in sorted(path.glob("rank-*.failure")):
        with suppress(OSError):
            return f"{file.stem}: {file.read_text(encoding='utf-8', errors='replace')}"
    return None


def _part(part: Path, info: RunInfo, path: Path) -> Run | None:
    """What a rank recorded; None if it died before it had made its tables."""
    reader = _Reader(part)
    with reader.damage():
        # What is shorter than a page of SQLite's is empty to it, too, but not for that reason.
        if part.stat().st_size >= 512 and not reader.rows("SELECT 1 FROM sqlite_master"):
            return None
        return reader.run(info, path)


def _check_numbers(sites: tuple[Site, ...], layers: int) -> None:
    """Rules look layers and sites up by their numbers."""
    for place, site in enumerate(sites):
        if site.index != place or not (site.layer is None or 0 <= site.layer < layers):
            raise ValueError(f"site {site.index} is out of place")


class _Nothing:
    """The series of a run of which nothing was observed."""

    def site(self, index: int) -> SiteSeries:
        raise IndexError(index)

    def layer(self, index: int) -> LayerSeries:
        raise IndexError(index)

    def fed(self, index: int) -> InputSeries:
        raise IndexError(index)

    def head(self, index: int) -> HeadSeries:
        raise IndexError(index)
