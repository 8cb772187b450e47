"""The forward pass on a real device: the journal is asked first, what is missing is submitted, nothing twice."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from qcli.circuit.program import Program
from qcli.errors import QcliError
from qcli.execute.journal import Journal
from qcli.execute.naming import Names, digest
from qcli.execute.reading import Reading
from qcli.execute.record import Circuit, Counts, Task
from qcli.execute.service import Order, Pace, Service
from qcli.execute.tasks import Tasks
from qcli.price.bill import EXACT
from qcli.price.submission import Charge, charge, idle_s, packed
from qcli.price.tariff import PerSecond, Terms
from qcli.simulate.executor import Timings

Array = NDArray[np.float64]

_UNPRICED_BATCH = 16


@dataclass(frozen=True)
class Progress:
    """`done` of `total` circuits of the current forward pass have results; `note` says what is waited for."""

    done: int
    total: int
    note: str = ""


class Hardware:
    """A reader whose readings are paid for.

    Args:
        service: None offline: then only what the journal holds is read.
        terms: what the device charges, None where nobody knows.
        plan: how circuits are spread over submissions, one of `bill.PLANS`.
        cap: USD that all tasks of the journal together may cost.
        options: what else results depend on: mitigation by the vendor, the vendor's compiler.
        repetition: another number measures everything anew.
    """

    def __init__(
        self,
        name: str,
        service: Service | None,
        journal: Journal,
        terms: Terms | None,
        plan: str,
        *,
        cap: Decimal | None = None,
        options: Mapping[str, object] | None = None,
        repetition: int = 0,
        pace: Pace | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.name = name
        self.timings = Timings()
        self.journal, self.plan, self.cap = journal, plan, cap
        self.tasks = Tasks(name, service, journal, terms, cap, pace)
        self._names = Names(journal, name, dict(options or {}), repetition)
        self._offline, self._terms, self._on_progress = service is None, terms, on_progress
        self.used: dict[str, None] = {}
        """Keys of the circuits that were read, in their order."""

    def read(self, readings: Sequence[Reading]) -> list[Array]:
        wanted = [self._names.orders(reading) for reading in readings]
        flat = {order.key: (order, circuit) for part in wanted for order, circuit in part}
        self.used.update(dict.fromkeys(flat))
        counts = self._obtain(flat)
        with self.timings.measure("postprocess"):
            return [
                np.array([_frequencies(counts[order.key], _bits(reading.program)) for order, _ in part])
                for reading, part in zip(readings, wanted, strict=True)
            ]

    def missing(self, readings: Sequence[Reading]) -> int:
        """How many circuits of these have no result and are not under way."""
        keys = list(
            dict.fromkeys(order.key for reading in readings for order, _ in self._names.orders(reading))
        )
        return len(keys) - len(self.journal.results(keys).keys() | self.journal.under_way(keys).keys())

    def _obtain(self, wanted: Mapping[str, tuple[Order, Circuit]]) -> dict[str, Counts]:
        found: dict[str, Counts] = {}
        problem: QcliError | None = None
        while True:
            found |= self.journal.results([key for key in wanted if key not in found])
            missing = [key for key in wanted if key not in found]
            if not missing:
                if not self._offline:
                    self.tasks.settle_bills()
                self._on_progress(Progress(len(found), len(wanted)))
                return found
            if self._offline:
                raise QcliError(
                    f"{len(missing):,} of {len(wanted):,} circuits have no result",
                    str(self.journal.path),
                    f"finish the run: qcli validate-on-hardware RUN --device {self.name}",
                )
            if problem:
                raise problem
            waiting = self.journal.under_way(missing)
            fresh = [key for key in missing if key not in waiting]
            settled = 0
            try:
                if fresh:
                    self._submit_all([wanted[key] for key in fresh])
                    waiting = self.journal.under_way(missing)
                with self.timings.measure("execute"):
                    tasks = [self.journal.entry(token) for token in set(waiting.values())]
                    note, settled = self.tasks.look_after(sorted(tasks, key=lambda task: task.number))
                self._on_progress(Progress(len(found), len(wanted), note))
                if not settled:
                    with self.timings.measure("execute"):
                        time.sleep(self.tasks.pace.poll_s)
            except QcliError as error:
                self.tasks.save_what_is_done()
                problem = self.tasks.with_what_is_under_way(error)

    def _submit_all(self, fresh: Sequence[tuple[Order, Circuit]]) -> None:
        """As the plan packs them, one task after the other: recorded, then submitted."""
        if self.tasks.closed:
            raise self.tasks.closed
        self.tasks.settle_bills()
        self.tasks.check_failures(order.key for order, _ in fresh)
        with self.journal.at_one_moment():  # else what another process records now is counted twice
            keys = [order.key for order, _ in fresh]
            taken = self.journal.results(keys).keys() | self.journal.under_way(keys).keys()
            fresh = [each for each in fresh if each[0].key not in taken]
            shots = [order.shots for order, _ in fresh]
            groups = self._packed(shots)
            charges = [self._charge([shots[place] for place in group]) for group in groups]
            with localcontext(EXACT):
                self.tasks.check_cap(sum((each.usd_high for each in charges), Decimal(0)))
        for number, group in enumerate(groups):
            started = time.perf_counter()
            members = [fresh[place] for place in group]
            with self.timings.measure("compile"):
                parcel = self.tasks.service.pack([order for order, _ in members], self.plan)
            limit_s, reserved = self._limits(charges[number:])
            circuits = tuple(circuit for _, circuit in members)
            keys = [circuit.key for circuit in circuits]
            attempt = self.journal.attempts(keys)
            task = Task(
                token=digest(self.name, self.journal.meta("run") or "", str(attempt), *keys)[:48],
                plan=self.plan,
                circuits=circuits,
                reserved=reserved,
                limit_s=limit_s,
                calibration=self.tasks.service.calibration,
                detail={
                    **parcel.detail,
                    "shots": [circuit.shots for circuit in circuits],
                    "bits": [_bits(order.program) for order, _ in members],
                    "estimated_usd": f"{charges[number].usd:f}",
                    "compile_s": time.perf_counter() - started,
                },
                payload=parcel.payload,
            )
            if self.journal.intend(task, self.cap):
                self.tasks.submit(task.token)

    def _packed(self, shots: Sequence[int]) -> list[list[int]]:
        if self._terms is not None:
            return packed(shots, self.plan, self._terms)
        places = list(range(len(shots)))
        return [places[k : k + _UNPRICED_BATCH] for k in range(0, len(places), _UNPRICED_BATCH)]

    def _charge(self, shots: Sequence[int]) -> Charge:
        return charge(self._terms, shots, self.plan) if self._terms else Charge(Decimal(0), Decimal(0))

    def _limits(self, charges: Sequence[Charge]) -> tuple[int | None, Decimal]:
        """Most QPU seconds, and USD reserved, for the first of the tasks yet to come.

        By time, each may take its share of what the cap leaves, but not more than three times what is foreseen and half
        a minute: the vendor stops it there, so that its cost is certain. The idle time of a session comes on top.
        """
        first = charges[0]
        if self._terms is None or not isinstance(self._terms.price, PerSecond) or first.seconds_high is None:
            return None, first.usd_high
        most, price = 3 * first.seconds_high + 30, self._terms.price.usd_per_s
        if self.cap is not None and price:
            left = self.cap - self.journal.committed()
            share = left * first.seconds_high / sum(each.seconds_high or 0 for each in charges)
            most = max(first.seconds_high, min(most, int(share // price)))
        return most - idle_s(self._terms, self.plan), most * price


def _frequencies(counts: Counts, bits: int) -> Array:
    values = np.zeros(2**bits)
    values[list(counts)] = list(counts.values())
    return values / values.sum()


def _bits(program: Program) -> int:
    (measured,) = program.measurements
    return (measured.columns - 1).bit_length()
