"""The Amazon Braket SDK's own cost tracker, fed the tasks of a plan, arrives at the same bill."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from typing import TYPE_CHECKING

import pytest

from qcli.price.bill import Plan
from qcli.price.plans import plans
from qcli.price.sheet import terms
from qcli.price.tariff import Rule
from qcli.price.workload import Workload
from tests.price.price_file import price_file

if TYPE_CHECKING:
    from braket.tracking import Tracker

REGIONS = {
    "iqm/Garnet": "eu-north-1",
    "iqm/Emerald": "eu-north-1",
    "aqt/Ibex-Q1": "eu-north-1",
    "rigetti/Cepheus-1-108Q": "us-west-1",
    "ionq/Forte-Enterprise-1": "us-east-1",
}


@pytest.fixture(scope="module")
def prices() -> Iterator[str]:
    """The address of AWS's price file, served on this machine."""
    body = price_file().encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/index.csv"
        server.shutdown()
        thread.join()


@pytest.fixture
def tracker(prices: str, monkeypatch: pytest.MonkeyPatch) -> "Tracker":
    """A tracker that looks prices up in a list of its own; the SDK keeps one for the whole process."""
    from braket.tracking import Tracker, pricing, tracker

    monkeypatch.setenv("BRAKET_PRICE_OFFERS_URL", prices)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(tracker, "price_search", pricing.Pricing().price_search)
    return Tracker()


def submit(
    tracker: "Tracker", region: str, device: str, shots: list[int], seconds: str | None = None
) -> None:
    """Tell the tracker of a completed task for each of `shots`; `seconds` of execution where it is a simulator."""
    from braket.tracking.tracking_events import _TaskCompletionEvent, _TaskCreationEvent

    for number, each in zip(count(len(tracker.tracked_resources())), shots, strict=False):
        arn = f"arn:aws:braket:{region}:000000000000:quantum-task/{number}"
        tracker.receive_event(_TaskCreationEvent(arn, each, False, f"arn:aws:braket:{device}"))
        duration_ms = float(1000 * Decimal(seconds)) if seconds else None
        tracker.receive_event(_TaskCompletionEvent(arn, duration_ms, "COMPLETED"))


def shots_of_tasks(plan: Plan, shots: int) -> list[int]:
    return [batch.circuits * shots for batch in plan.batches for _ in range(batch.tasks)]


@pytest.mark.parametrize("device", REGIONS)
@pytest.mark.parametrize(("circuits", "shots"), [(1, 100), (48, 512), (250, 1024), (101, 1999)])
def test_the_sdk_s_tracker_arrives_at_exactly_the_same_bill_for_a_qpu(
    tracker: "Tracker", device: str, circuits: int, shots: int
) -> None:
    entry = terms(f"braket/{device.split('/')[1].lower()}")
    found = {plan.name: plan for plan in plans(Workload.uniform(circuits, circuits, shots), entry)}
    before = Decimal(0)
    for name in ("separate", "program-sets"):
        region = REGIONS[device]
        submit(tracker, region, f"{region}::device/qpu/{device}", shots_of_tasks(found[name], shots))
        assert tracker.qpu_tasks_cost() - before == found[name].usd
        before = tracker.qpu_tasks_cost()
    assert len(tracker.tracked_resources()) == found["separate"].tasks + found["program-sets"].tasks


@pytest.mark.parametrize("simulator", ["sv1", "dm1"])
@pytest.mark.parametrize("seconds", ["0.7", "2.999", "3", "3.001", "61.25"])
def test_the_sdk_s_tracker_arrives_at_the_same_cents_for_a_simulator(
    tracker: "Tracker", simulator: str, seconds: str
) -> None:
    rule = Rule("known", Decimal(seconds), Decimal(0), "measured", "")
    (plan,) = plans(
        Workload.uniform(7, 7, 1000), replace(terms(f"braket/{simulator}"), machine_time=(rule, rule))
    )
    submit(tracker, "us-east-1", f"::device/quantum-simulator/amazon/{simulator}", 7 * [1000], seconds)
    cents = Decimal("0.01")
    assert tracker.simulator_tasks_cost().quantize(cents, ROUND_HALF_UP) == plan.usd.quantize(
        cents, ROUND_HALF_UP
    )
    assert tracker.simulator_tasks_cost() == pytest.approx(plan.usd, rel=Decimal("1e-20"))
