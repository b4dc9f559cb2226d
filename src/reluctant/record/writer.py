"""Writes a rank's part of the record: its SQLite file, each sample whole or not at all."""

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from functools import partial
from pathlib import Path

from reluctant.errors import RecordNotWritten
from reluctant.record import histogram, schema
from reluctant.record.blobs import pack, pack_counts
from reluctant.record.observation import (
    Ending,
    LastWeights,
    LayerRow,
    NewLayer,
    NewParameter,
    Observation,
    SiteRow,
)
from reluctant.record.run import Function, Intervention

# How long we wait for another process's lock at the start and at the end of a run. In between the
# script would feel it: a sample that finds the file locked is written together with a later one.
BUSY_SECONDS = 0.5
# So many samples are kept for later.
MOST_WAITING = 64

# SQLite would keep two megabytes of its pages, within the script's memory.
CACHE_KIB = 512

# How SQLite words what is no fault of ours; only Python 3.11 and later have codes for it.
_OUTSIDE = ("disk", "readonly", "unable to open")


class Writer:
    """Writes one rank's part of a record, and never waits for another process to let it."""

    def __init__(self, path: Path, rank: int = 0) -> None:
        self._path = path / schema.part(rank)
        self._waiting: list[Callable[[], None]] = []
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
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._connection.executescript(
            f"BEGIN; {schema.TABLES} PRAGMA user_version = {schema.VERSION}; COMMIT;"
        )
        self._wait_at_most(0)
        self._made = os.stat(self._path)

    def write(self, *seen: Observation) -> None:
        """Add samples, all of them or nothing; later, if another process locks the file now.

        Raises:
            RecordNotWritten: the disk is full, the file is gone, or locked for too long.
        """
        self._waiting += [partial(self._put_sample, at) for at in seen]
        self._write_waiting()
        if len(self._waiting) > MOST_WAITING:
            raise self._not_written(f"the database was locked for {MOST_WAITING} samples")

    def intervened(self, at: Intervention) -> None:
        """Add an intervention, or what has become of it.

        Raises:
            RecordNotWritten: as `write` does.
        """
        row = [astuple(at)]
        self._waiting.append(partial(self._insert, "intervention", row, "INSERT OR REPLACE"))
        self._write_waiting()

    def end(self, ending: Ending) -> None:
        """Add what there is to say at the end; with `close` at the latest, as with a sample.

        Raises:
            RecordNotWritten: as `write` does.
        """
        self._waiting.append(partial(self._put_ending, ending))
        self._write_waiting()

    def _write_waiting(self) -> None:
        if not self._there():
            # SQLite would go on to write into what has no name any more.
            raise self._not_written("it was deleted or replaced")
        if not self._waiting:
            return
        puts, self._waiting = self._waiting, []
        try:
            self._write(puts)
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                self._waiting[:0] = puts
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

    def _write(self, puts: Sequence[Callable[[], None]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for put in puts:
                put()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _put_sample(self, seen: Observation) -> None:
        self._write_new(seen)
        at = seen.sample
        place = (at.index, at.step, at.optimizer)
        facts = (_keep_nan(at.loss), at.rate, at.seconds, at.optimizers, at.skipped, at.observing)
        self._insert("sample", [(*place, *facts)])
        self._insert("site_sample", [_site_values(at.index, row) for row in seen.site_rows])
        self._insert("layer_sample", [_layer_values(at.index, row) for row in seen.layer_rows])
        fed = [(at.index, row.layer, *row.numbers) for row in seen.input_rows]
        self._insert("input_sample", fed)
        given = [(at.index, row.head, *row.numbers) for row in seen.head_rows]
        self._insert("head_sample", given)

    def _put_ending(self, ending: Ending) -> None:
        ways = [(at.site, at.source, json.dumps(at.links), at.obstacle) for at in ending.ways]
        self._insert("way", ways)
        for at in ending.weights:  # the blob of one at a time
            self._insert("last_weight", [_weight_values(at)])
        limits = [(at.layer, pack(at.low), pack(at.high)) for at in ending.limits]
        self._insert("fed_limits", limits)

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
    counted = None if row.histogram is None else histogram.pack(row.histogram)
    place = (sample, row.site, row.inputs, row.values, counted)
    return (*place, pack_counts(row.fired), *map(pack, blobs))


def _layer_values(sample: int, row: LayerRow) -> tuple[object, ...]:
    arrays = (row.gradient, row.weight, row.update, row.bias)
    return (sample, row.layer, *map(pack, arrays), row.first)


def _weight_values(at: LastWeights) -> tuple[object, ...]:
    shape = () if at.weight is None else at.weight.shape
    return (at.layer, json.dumps(shape), pack(at.weight), pack(at.bias), at.rounding)


def _keep_nan(value: float | None) -> float | str | None:
    """SQLite stores NaN as NULL, but a loss that is NaN is not a loss that is unknown."""
    return "nan" if value is not None and value != value else value


def _pack_facts(function: Function) -> str:
    facts = {field.name: getattr(function, field.name) for field in fields(function)}
    del facts["index"], facts["name"]
    return json.dumps(facts)
