"""Takes jobs from a ledger and runs them, one after the other."""

import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TypeVar

from reluctant.search.job import Entry, Evaluate, Lost, Result
from reluctant.search.ledger import BEAT, Ledger

# Seconds between two looks whether there is work: in a file of one's own, and in a database.
PAUSE, PAUSE_SHARED = 0.05, 0.5

# Seconds after which a database that did not answer is asked again.
AWAY = 2.0

Answer = TypeVar("Answer")


@dataclass
class Worker:
    """One that works until it is told to stop.

    Args:
        ledger: where jobs are taken from.
        evaluate: runs one.
        home: the folder under which their records go.
        tell: called when a job has ended.
        idle: ends after so many seconds without work; None for only when `stop` is set.
    """

    ledger: Ledger
    evaluate: Evaluate
    home: Path
    tell: Callable[[Entry, Result], None] = lambda entry, result: None
    idle: float | None = None
    stop: Event = field(default_factory=Event)

    def run(self) -> None:
        """Work; returns once `stop` is set, and gives back what was begun."""
        worked = monotonic()
        while not self.stop.is_set():
            entry = self._asked(self.ledger.take)
            if entry is not None:
                self._work(entry)
                worked = monotonic()
            elif self.idle is not None and monotonic() - worked > self.idle:
                return
            else:
                self.stop.wait(PAUSE_SHARED if self.ledger.shared else PAUSE)

    def _work(self, entry: Entry) -> None:
        over = Event()
        heart = Thread(target=self._live, args=(entry, over), daemon=True)
        heart.start()
        result: Result | None = None
        try:
            result = self.evaluate(entry.job, self.home / f"run-{entry.number}", self.stop)
        except Lost:
            pass
        except Exception as error:
            # Ours, and not the script's; the search goes on all the same.
            where = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {error}"
            result = Result(None, f"It could not be run ({said}).")
        finally:
            over.set()
            heart.join()
        if result is None or (self.stop.is_set() and result.value is None):
            self._asked(lambda: self.ledger.give_back(entry))
            return
        self._asked(lambda: self.ledger.end(entry, result))
        self.tell(entry, result)

    def _asked(self, ask: Callable[[], Answer]) -> Answer | None:
        """What the ledger answers, however long its database is away; None if all is to stop."""
        while True:
            try:
                return ask()
            except Exception:  # noqa: PERF203 (it waits for seconds)
                if self.stop.wait(AWAY):
                    return None

    def _live(self, entry: Entry, over: Event) -> None:
        every = self._asked(lambda: self.ledger.every) or BEAT
        while not over.wait(every):
            with suppress(Exception):  # a database that is away hears of it later
                self.ledger.beat(entry)
