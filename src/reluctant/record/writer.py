"""Writes a rank's part of the record: its SQLite file, all of a sample or nothing of it."""

import json
import os
import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import astuple, fields
from itertools import islice
from pathlib import Path
from time import monotonic

from reluctant.errors import RecordNotWritten
from reluctant.record import schema
from reluctant.record.blobs import pack, pack_counts
from reluctant.record.observation import LayerRow, NewLayer, NewParameter, Observation, SiteRow
from reluctant.record.run import Function, Sample

# How long we wait for another process's lock at the start and at the end of a run. In between the
# script would feel it: a sample that finds the file locked is written together with a later one.
BUSY_SECONDS = 0.5
# So many samples are kept for later.
MOST_WAITING = 64

# Samples that come in quicker succession than this are written together.
GATHER_SECONDS = 0.05

# How SQLite words what is no fault of ours; only Python 3.11 and later have codes for it.
_OUTSIDE = ("disk", "readonly", "unable to open")


class Writer:
    """Writes one rank's part of a record, and never waits for another process to let it."""

    def __init__(self, path: Path, rank: int = 0) -> None:
        self._path = path / schema.part(rank)
        self._waiting: deque[Observation] = deque()
        self._since = 0.0
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

    def write(self, seen: Observation, more: bool = False) -> None:
        """Add one sample, all of it or nothing; later, if another process locks the file now.

        `more` says that another is about to follow: the two may be written together.

        Raises:
            RecordNotWritten: the disk is full, the file is gone, or locked for too long.
        """
        if not self._waiting:
            self._since = monotonic()
        self._waiting.append(seen)
        if more and monotonic() - self._since < GATHER_SECONDS:
            return
        self.write_waiting()
        if len(self._waiting) > MOST_WAITING:
            raise self._not_written(f"the database was locked for {MOST_WAITING} samples")

    @property
    def waiting(self) -> bool:
        """Whether there are samples that are not yet written."""
        return bool(self._waiting)

    def write_waiting(self) -> None:
        """Write what waits, unless another process locks the file.

        Raises:
            RecordNotWritten: as in `write`.
        """
        if not self._there():
            # SQLite would go on to write into what has no name any more.
            raise self._not_written("it was deleted or replaced")
        together = len(self._waiting)
        while self._waiting:
            try:
                self._write(list(islice(self._waiting, together)))
            except Exception as error:
                if _is_locked(error):
                    return
                if together > 1:
                    together = 1  # so that only the sample that fails is lost
                    continue
                self._waiting.popleft()
                if isinstance(error, sqlite3.DatabaseError) and _is_outside(error):
                    raise self._not_written(error) from error
                raise
            for _ in range(together):
                self._waiting.popleft()

    def _there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), self._made)
        except OSError:
            return False

    def _not_written(self, why: object) -> RecordNotWritten:
        return RecordNotWritten.at(self._path.parent, why)

    def _wait_at_most(self, seconds: float) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    def _write(self, group: Sequence[Observation]) -> None:
        put = self._connection.execute
        put("BEGIN IMMEDIATE")
        try:
            for seen in group:
                self._write_new(seen)
                self._insert("sample", [_sample_values(seen.sample)])
            self._write_rows(group)
            put("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                put("ROLLBACK")
            raise

    def _write_rows(self, group: Sequence[Observation]) -> None:
        each = [(seen.sample.index, seen) for seen in group]
        sites = [_site_values(at, row) for at, seen in each for row in seen.site_rows]
        layers = [_layer_values(at, row) for at, seen in each for row in seen.layer_rows]
        fed = [(at, row.layer, *row.numbers) for at, seen in each for row in seen.input_rows]
        given = [(at, row.head, *row.numbers) for at, seen in each for row in seen.head_rows]
        self._insert("site_sample", sites)
        self._insert("layer_sample", layers)
        self._insert("input_sample", fed)
        self._insert("head_sample", given)

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
            self.write_waiting()
            if self._waiting:
                raise self._not_written("the database is locked")
        finally:
            self._connection.close()


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.DatabaseError) and "locked" in str(error)


def _is_outside(error: Exception) -> bool:
    return any(words in str(error) for words in _OUTSIDE)


def _sample_values(at: Sample) -> tuple[object, ...]:
    place = (at.index, at.step, at.optimizer)
    return (*place, _keep_nan(at.loss), at.rate, at.seconds, at.optimizers, at.skipped)


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


def _keep_nan(value: float | None) -> float | str | None:
    """SQLite stores NaN as NULL, but a loss that is NaN is not a loss that is unknown."""
    return "nan" if value is not None and value != value else value


def _pack_facts(function: Function) -> str:
    facts = {field.name: getattr(function, field.name) for field in fields(function)}
    del facts["index"], facts["name"]
    return json.dumps(facts)
