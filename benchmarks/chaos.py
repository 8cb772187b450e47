"""Validations that are killed and disturbed until they are done: python benchmarks/chaos.py [--runs N] [--json].

Every run is a validation of 60 circuits on a stand-in for Amazon Braket (Garnet) or IBM (Fez), through the real
clients. Its process is killed with SIGKILL at random points and started again until it is done; in every second run two
of them work on the same journal at once. Meanwhile requests are throttled, answered with 5xx, dropped before and after
they were acted on, delayed and cut, tasks fail in whole or in part, and results come late, cut short, or of another
task. In half of the runs the cap is exactly the bill, so that nothing may be paid twice; where tasks fail it has room
for retries.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from qiskit.circuit import QuantumCircuit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.chaos_worker import INFERENCES, SHOTS, dry_run, validate  # noqa: E402
from qcli.execute.journal import Journal  # noqa: E402
from qcli.train.run import Settings  # noqa: E402
from qcli.train.train import train  # noqa: E402
from tests.standins.braket import BraketStandIn  # noqa: E402
from tests.standins.ibm import IbmStandIn  # noqa: E402
from tests.standins.server import Fault, StandIn  # noqa: E402

DEVICES = ("braket/garnet", "ibm/fez")
RATE = 0.1
LONGEST_S = 1.5
MOST_KILLS = 4
MOST_STARTS = 60
OUTCOMES = {
    "braket/garnet": [("CreateQuantumTask", "task-failed"), ("CreateQuantumTask", "partial")],
    "ibm/fez": [("CreateJob", "job-error"), ("CreateJob", "partial")],
}
RESULTS = {
    "braket/garnet": [
        ("GetObject", kind) for kind in ("late", "truncated", "not-json", "other-task", "wrong-shots")
    ],
    "ibm/fez": [("GetResults", kind) for kind in ("late", "truncated", "not-json")]
    + [("CreateJob", "504-after")],
}


@dataclass
class Tally:
    runs: int = 0
    kills: int = 0
    faults: int = 0
    submissions: int = 0
    duplicates_paid: int = 0
    results_lost: int = 0
    cap_breaches: int = 0
    wrong_tables: int = 0
    starts: int = 0
    exits: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"exits": {str(code): n for code, n in sorted(self.exits.items())}}


@dataclass(frozen=True)
class Expected:
    """Of an undisturbed run: its table, and what it costs."""

    table: bytes
    usd: Decimal


def stand_in(device: str, seed: int, faults: list[Fault], rate: float) -> StandIn:
    chaos = random.Random(seed)
    kind: Any = BraketStandIn if device.startswith("braket") else IbmStandIn
    made: StandIn = kind(queue_s=0.02, faults=faults, chaos=chaos, rate=rate)
    made.hang_s = 0.2
    return made


def paid(service: Any) -> Counter[str]:
    """Circuits that the service has run or will run, and takes money for, by content."""
    found: Counter[str] = Counter()
    if isinstance(service, BraketStandIn):
        for task in service.tasks.values():
            if task.status not in ("FAILED", "CANCELLED"):
                found.update(repr(each) for k, each in enumerate(task.executables) if k not in task.failed)
    else:
        for job in service.jobs.values():
            if not (job.final and job.status != "Completed"):
                circuits = [content(item.circuit) for item in job.program.items]
                found.update(circuits[:-1] if job.fate == "partial" else circuits)
    return found


def content(circuit: QuantumCircuit) -> str:
    """Gates, qubits and angles as text."""
    place = {bit: number for number, bit in enumerate(circuit.qubits)}
    return repr([(each.name, [place[bit] for bit in each.qubits], each.params) for each in circuit.data])


def charged(service: Any, journal: Journal) -> Decimal:
    """What the vendor takes; IBM's by the journal's price of the vendor's seconds."""
    if isinstance(service, BraketStandIn):
        return service.charged
    return sum((each.reserved if each.usd is None else each.usd for each in journal.entries()), Decimal(0))


class Arena:
    """A trained run, what it gives undisturbed, and the processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        os.environ |= {"QCLI_HOME": str(folder / "home"), "QCLI_POLL_S": "0.02", "QCLI_PATIENCE_S": "3"}
        os.environ["CHAOS_LOG"] = str(self.log)
        settings = Settings(epochs=2, batch=64, lr=0.05)
        options = {"wires": "3", "layers": "2"}
        self.run = train("vqc", "digits:0,1", options=options, settings=settings, out=folder / "run").path
        os.environ["CHAOS_RUN"] = str(self.run)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["benchmarks.chaos_worker"])
        self.expected = {device: self._undisturbed(device) for device in DEVICES}

    def _undisturbed(self, device: str) -> Expected:
        usd = Decimal(dry_run(str(self.run), device)["bill"]["usd_high"])  # type: ignore[index]
        path = self._copy("undisturbed-" + device.replace("/", "-"))
        with stand_in(device, 0, [], 0.0) as service:
            process = self.start(path, device, usd, service)
            process.join(120)
        if process.exitcode != 0:
            raise SystemExit(f"an undisturbed run failed:\n{self.log.read_text()}")
        return Expected(self.table(path, device), usd)

    def start(self, path: Path, device: str, cap: Decimal, service: StandIn) -> Any:
        arguments = (str(path), device, f"{cap:f}", service.environment())
        process = self.context.Process(target=validate, args=arguments, daemon=True)
        process.start()
        return process

    def table(self, path: Path, device: str) -> bytes:
        return (path / "hardware" / device.replace("/", "-") / "samples.csv").read_bytes()

    def _copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.run, self.folder / name))

    def disturbed(self, number: int, tally: Tally, seed: int) -> None:
        """One run until it is done; what went wrong is added to the tally."""
        chance = random.Random(f"{seed}/{number}")
        device = DEVICES[number % 2]
        expected, workers = self.expected[device], 1 + (number // 2) % 2
        failing = chance.random() < 0.5
        faults = [
            Fault(*each, after=chance.randrange(2)) for each in RESULTS[device] if chance.random() < 0.3
        ]
        if failing:
            faults += [
                Fault(*each, after=chance.randrange(3)) for each in OUTCOMES[device] if chance.random() < 0.6
            ]
        cap = expected.usd * 3 if failing else expected.usd
        path = self._copy(f"run-{number}")
        with stand_in(device, chance.randrange(2**32), faults, RATE) as service:
            self._until_done(path, device, cap, service, chance, workers, tally)
            self._check(path, device, cap, service, expected, tally)
        tally.runs += 1
        shutil.rmtree(path)

    def _until_done(
        self,
        path: Path,
        device: str,
        cap: Decimal,
        service: StandIn,
        chance: random.Random,
        workers: int,
        tally: Tally,
    ) -> None:
        kills, done = 0, False
        for _ in range(MOST_STARTS):
            running = [self.start(path, device, cap, service) for _ in range(workers)]
            tally.starts += workers
            for process in running:
                if kills < MOST_KILLS and chance.random() < 0.8:
                    process.join(chance.uniform(0.0, LONGEST_S))
                    if process.exitcode is None:
                        process.kill()
                        kills += 1
                process.join(120)
                if process.exitcode is None:
                    process.kill()
                    process.join()
                tally.exits[process.exitcode] += 1
                done |= process.exitcode == 0
            if done:
                break
        tally.kills += kills
        if not done:
            tally.wrong_tables += 1
            print(f"{path.name} on {device} was not done after {MOST_STARTS} starts", file=sys.stderr)

    def _check(
        self, path: Path, device: str, cap: Decimal, service: Any, expected: Expected, tally: Tally
    ) -> None:
        name = device.replace("/", "-")
        journal = Journal.reading(path / "hardware" / name / "journal.sqlite")
        found = paid(service)
        keys = [key for entry in journal.entries() for key in entry.circuits]
        twice = sum(count - 1 for count in found.values())
        lost = len(found) - len(journal.results(list(dict.fromkeys(keys))))
        tally.faults += sum(service.injected.values())
        tally.submissions += service.submissions
        tally.duplicates_paid += twice
        tally.results_lost += max(0, lost)
        tally.cap_breaches += charged(service, journal) > cap or journal.committed() > cap
        tally.wrong_tables += self.table(path, device) != expected.table if twice == 0 else 1
        if twice or lost or charged(service, journal) > cap:
            money = f"{charged(service, journal)} of {cap} USD charged, {journal.committed()} in the journal"
            print(f"{path.name} on {device}: {twice} paid twice, {lost} lost, {money}", file=sys.stderr)
        journal.close()


def chaos(runs: int, seed: int = 0, first: int = 0) -> dict[str, Any]:
    """The tally over runs `first`, `first + 1`, …"""
    tally, started = Tally(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        arena = Arena(Path(folder))
        for number in range(first, first + runs):
            arena.disturbed(number, tally, seed)
            if sys.stderr.isatty():
                print(f"\r{number + 1 - first}/{runs}", end="", file=sys.stderr, flush=True)
        if arena.log.exists() and os.environ.get("CHAOS_SHOW"):
            print(arena.log.read_text(), file=sys.stderr)
    tally.seconds = round(time.perf_counter() - started, 1)
    return tally.to_json()


def side_by_side(runs: int, seed: int, jobs: int) -> dict[str, Any]:
    """The same runs, shared by so many processes of this script."""
    sizes = [runs // jobs + (k < runs % jobs) for k in range(jobs)]
    command = [sys.executable, __file__, "--json", "--seed", str(seed)]
    started = [
        subprocess.Popen(
            [*command, "--runs", str(size), "--first", str(sum(sizes[:k]))], stdout=subprocess.PIPE
        )
        for k, size in enumerate(sizes)
    ]
    found = [json.loads(process.communicate()[0]) for process in started]
    exits = sum((Counter(each.pop("exits")) for each in found), Counter())
    seconds = max(each.pop("seconds") for each in found)
    return {name: sum(each[name] for each in found) for name in found[0]} | {
        "exits": exits,
        "seconds": seconds,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    if asked.jobs > 1:
        found = side_by_side(asked.runs, asked.seed, asked.jobs)
    else:
        found = chaos(asked.runs, asked.seed, asked.first)
    if asked.json:
        print(json.dumps(found, indent=1))
    else:
        print(f"{found['runs']} validations of {INFERENCES} circuits, {SHOTS} shots each")
        for name, value in found.items():
            print(f"{name:>16}  {value}")
    bad = ("duplicates_paid", "results_lost", "cap_breaches", "wrong_tables")
    return int(any(found[name] for name in bad))


if __name__ == "__main__":
    sys.exit(main())
