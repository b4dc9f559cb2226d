"""Reads a record as a `Run`, the series of its units only when they are asked for."""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from reluctant.errors import RecordDamaged, RecordTooNew
from reluctant.record import folder, histogram, merging, schema
from reluctant.record.blobs import Array, unpack_whole
from reluctant.record.columns import Column
from reluctant.record.info import RunInfo
from reluctant.record.rows import LAYERS, SITES, Rows, Table
from reluctant.record.run import (
    Floats,
    Function,
    Head,
    HeadSeries,
    HistogramSeries,
    InputSeries,
    Intervention,
    Ints,
    Layer,
    LayerSeries,
    Link,
    Parameter,
    Run,
    Sample,
    Series,
    Site,
    SiteSeries,
    Way,
    Weights,
)

# Since then records tell what layers are fed and what loss functions are given.
_VERSION_OF_HEADS = 2
# And since then how the inputs of sites come about, and what a layer's weights were in the end.
_VERSION_OF_WAYS = 3
# And since then what was done about it in the run.
_VERSION_OF_INTERVENTIONS = 4
# And since then what observation has cost, while it goes on.
_VERSION_OF_COSTS = 5
# And since then how the inputs of sites are distributed.
_VERSION_OF_HISTOGRAMS = 6
_INTERVENTION = tuple(field.name for field in fields(Intervention))
_INPUT = tuple(field.name for field in fields(InputSeries))[1:]
_HEAD = tuple(field.name for field in fields(HeadSeries))[1:]


def load(path: str | Path, room: int | None = None) -> Run:
    """Read the run in the folder `path`. Per-unit series are read when they are asked for.

    Args:
        path: the run's folder.
        room: about so many numbers of all units and samples may be held at a time; what does not
            fit stays in its file, to be read again each time. None leaves out what is large alone.

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
    runs = [run for part in parts if (run := _part(part, info, path, room)) is not None]
    if not runs:
        return Run(info, (), (), (), (), NOTHING, path)
    return merging.join(runs)


def _failure(path: Path) -> str | None:
    """What the first rank that failed says of it."""
    for file in sorted(path.glob("rank-*.failure")):
        with suppress(OSError):
            return f"{file.stem}: {file.read_text(encoding='utf-8', errors='replace')}"
    return None


def _part(part: Path, info: RunInfo, path: Path, room: int | None) -> Run | None:
    """What a rank recorded; None if it died before it had made its tables."""
    reader = _Reader(part, room)
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

    def histogram(self, index: int) -> HistogramSeries:
        raise IndexError(index)

    def layer(self, index: int) -> LayerSeries:
        raise IndexError(index)

    def fed(self, index: int) -> InputSeries:
        raise IndexError(index)

    def head(self, index: int) -> HeadSeries:
        raise IndexError(index)

    def weights(self, index: int) -> Weights | None:
        return None

    def limits(self, index: int) -> tuple[Floats, Floats] | None:
        return None


NOTHING: Series = _Nothing()


class _Reader:
    """Reads the series of one file when they are asked for."""

    def __init__(self, path: Path, room: int | None) -> None:
        self._path = path
        self._room = room
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
        # Whoever writes may go on meanwhile: all is read as it stands now.
        connection.execute("BEGIN")
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
        (samples, inputs, values), columns = self._series(SITES, index)
        return SiteSeries(samples, inputs, values, *columns)

    def histogram(self, index: int) -> HistogramSeries:
        rows: list[tuple[Any, ...]] = []
        if self.version >= _VERSION_OF_HISTOGRAMS:
            rows = self.rows(
                "SELECT sample, histogram FROM site_sample "
                "WHERE site = ? AND histogram IS NOT NULL ORDER BY sample",
                index,
            )
        with self.damage():
            samples = np.array([sample for sample, _ in rows], dtype=np.int64)
            return HistogramSeries(samples, histogram.unpack([blob for _, blob in rows]))

    def layer(self, index: int) -> LayerSeries:
        (samples, _), columns = self._series(LAYERS, index)
        return LayerSeries(samples, *columns)

    def _series(self, table: Table, index: int) -> tuple[list[Ints], list[Column]]:
        units = self.units[table.key][index]
        return Rows(self.rows, self.damage, table, index, units).series(self._samples, self._share)

    def fed(self, index: int) -> InputSeries:
        return InputSeries(*self._numbers("input_sample", "layer", index, len(_INPUT)))

    def head(self, index: int) -> HeadSeries:
        return HeadSeries(*self._numbers("head_sample", "head", index, len(_HEAD)))

    def weights(self, index: int) -> Weights | None:
        rows = self._ending(
            "SELECT shape, weight, bias, rounding FROM last_weight WHERE layer = ?", index
        )
        for shape, weight, bias, rounding in rows:
            with self.damage():
                return Weights(
                    None if weight is None else unpack_whole(weight).reshape(json.loads(shape)),
                    None if bias is None else unpack_whole(bias),
                    float(rounding),
                )
        return None

    def limits(self, index: int) -> tuple[Floats, Floats] | None:
        for low, high in self._ending("SELECT low, high FROM fed_limits WHERE layer = ?", index):
            with self.damage():
                return unpack_whole(low), unpack_whole(high)
        return None

    def _ending(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.rows(query, *values) if self.version >= _VERSION_OF_WAYS else []

    def _numbers(self, table: str, key: str, index: int, count: int) -> Iterator[Array]:
        """The samples (T,), then each of the columns (T,) with NaN for what is NULL."""
        if self.version < _VERSION_OF_HEADS:
            rows = []
        else:
            rows = self.rows(f"SELECT * FROM {table} WHERE {key} = ? ORDER BY sample", index)
        with self.damage():
            samples, _, *columns = list(zip(*rows, strict=True)) or [(), ()]
            yield np.array(samples, dtype=np.int64)
            for column in columns:
                yield np.array(column, dtype=np.float64)
            for _ in range(count - len(columns)):
                yield np.full(len(rows), np.nan)  # an older record does not tell

    def full_name(self, root: str, name: str) -> str:
        """The name with its model's before it, where it has no other or there are several."""
        if not name or name.startswith(":"):
            return (root or "script") + name
        return f"{root}.{name}" if root and len(self._roots) > 1 else name

    @cached_property
    def _share(self) -> int | None:
        """Of the room, that of one column."""
        columns = sum(len(at.blobs) * len(self.units[at.key]) for at in (SITES, LAYERS))
        return None if self._room is None else self._room // max(columns, 1)

    @cached_property
    def _samples(self) -> int:
        ((count,),) = self.rows("SELECT count(*) FROM sample")
        return int(count)

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
        observing = "observing" if self.version >= _VERSION_OF_COSTS else "NULL"
        samples = self.rows(
            f"SELECT id, step, optimizer, loss, rate, seconds, optimizers, skipped, {observing} "
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
            ways=tuple(self._ways(len(sites), len(layers))),
            interventions=tuple(self._interventions()),
        )

    def _interventions(self) -> Iterator[Intervention]:
        if self.version >= _VERSION_OF_INTERVENTIONS:
            for row in self.rows("SELECT * FROM intervention ORDER BY id"):
                facts = dict(zip(_INTERVENTION, row, strict=True))
                facts["kept"] = None if facts["kept"] is None else bool(facts["kept"])
                yield Intervention(**facts)

    def _ways(self, sites: int, layers: int) -> Iterator[Way]:
        # A site of a sample that did not come to its end is not there.
        rows = self._ending(
            "SELECT way.site, source, links, obstacle FROM way JOIN site ON site.id = way.site "
            "ORDER BY way.site"
        )
        for site, source, links, obstacle in rows:
            way = Way(site, source, tuple(Link(*link) for link in json.loads(links)), obstacle)
            known = all(0 <= at.number < layers for at in way.links if at.kind == "product")
            if not known or not (source is None or 0 <= source < sites):
                raise ValueError(f"the way to site {site} begins nowhere")
            yield way

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


def _sample(index: int, step: int, optimizer: int, loss: object, *facts: Any) -> Sample:
    rate, seconds, optimizers, skipped, observing = facts
    value = None if loss is None else float(str(loss))
    told = (rate, seconds, optimizers, bool(skipped), observing)
    return Sample(index, step, optimizer, value, *told)


def _unpack_facts(index: int, name: str, facts: str) -> Function:
    content = json.loads(facts)
    content["flat"] = tuple((low, high) for low, high in content["flat"])
    for points in ("curve", "rise"):
        content[points] = tuple(tuple(axis) for axis in content.get(points, ((), ())))
    return Function(index, name, **content)
