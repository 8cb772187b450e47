"""The tables of a case study in the terminal, and the command that prints them."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qcli import Run
from qcli.assess.spent import Latency, Spent
from qcli.assess.talk import Charged, Inferred, Seconds, Talk
from qcli.report.talk import charged_table, inferred_table
from tests.cli.helpers import qcli
from tests.report import example
from tests.report.test_tables import line_with, shown

HOSTILE = "[bold]<script>\x1b[2J"


def inferred(**changed: Any) -> Inferred:
    found = Inferred(
        device="braket/garnet",
        kind="device",
        priced_as="braket/garnet",
        vendor="IQM",
        qubits=20,
        inferences=48,
        shots=512,
        mean_shots=None,
        mitigation=(),
        accuracy=(0.9375, 0.832, 0.979),
        time=Seconds(1.166, 1.166, "measured"),
        usd_per_inference=Decimal("1.0424"),
    )
    return replace(found, **changed)


def charged(**changed: Any) -> Charged:
    found = Charged(
        device="braket/garnet",
        kind="device",
        priced_as="braket/garnet",
        usd_per_task=Decimal("0.30"),
        usd_per_shot=Decimal("0.00145"),
        usd_per_qpu_s=None,
        verified_on="2026-09-11",
        plan="program-sets",
        tasks=1,
        inferences=48,
        shots=512,
        mean_shots=None,
        usd=Decimal("35.9352"),
        usd_open=Decimal(0),
        journal=None,
        one_task_each={512: Decimal("50.0352"), 1024: Decimal("85.6704")},
    )
    return replace(found, **changed)


def spent(**changed: Any) -> Spent:
    nothing = Latency(0.0, 0.0, 0.0, None, 0.0)
    usd = Decimal("35.9352")
    found = Spent(usd, Decimal(0), usd, 1, 0, 48, 24576, None, nothing, 1.0, ("2026-05-05",))
    return replace(found, **changed)


SIMULATOR = inferred(
    device="simulator", kind="simulator", priced_as=None, vendor=None, qubits=None, shots=None,
    time=Seconds(0.147, 0.147, "measured"), usd_per_inference=None,
)  # fmt: skip
REHEARSAL = {"device": "emulator/garnet", "kind": "rehearsal"}


def made(*rows: Inferred | Charged, circuits: int = 1) -> Talk:
    return Talk(
        model="qcnn",
        circuits_per_inference=circuits,
        inferred=tuple(row for row in rows if isinstance(row, Inferred)),
        charged=tuple(row for row in rows if isinstance(row, Charged)),
    )


def times(*rows: Inferred) -> str:
    return shown(inferred_table(made(*rows)), 110)


def prices(*rows: Charged, circuits: int = 1) -> str:
    return shown(charged_table(made(*rows, circuits=circuits)), 110)


def test_the_first_table_has_vendor_size_accuracy_time_and_cost_beside_the_simulator() -> None:
    output = times(SIMULATOR, inferred())
    assert line_with(output, "simulator").split() == [
        "simulator",
        "–",
        "–",
        "48",
        "93.8",
        "%",
        "147",
        "ms",
        "–",
    ]
    garnet = ["braket/garnet", "IQM", "20", "48", "93.8", "%", "1.17", "s", "1.04"]
    assert line_with(output, "braket/garnet").split() == garnet
    assert "× 512    83.2–97.9 %" in output
    assert "by the clock, queue included" in output


def test_the_second_table_has_prices_what_was_billed_and_one_task_each() -> None:
    output = prices(charged())
    assert line_with(output, "braket/garnet").split() == [
        *("braket/garnet", "0.30", "0.00145", "48", "program-sets", "35.94", "50.04", "85.67")
    ]
    assert "48 × 512   48 × 1,024" in output
    assert "one task per inference, by the price sheet" in output
    assert "prices as of 2026-09-11" in output
    assert "QPU second" not in output, "nothing is billed by time"


def test_billing_by_time_has_a_column_of_its_own() -> None:
    by_time = charged(
        device="ibm/fez", usd_per_task=None, usd_per_shot=None, usd_per_qpu_s=Decimal("1.60"), plan="job"
    )
    both, alone = prices(charged(), by_time), prices(by_time)
    assert line_with(both, "braket/garnet").split()[1:4] == ["0.30", "0.00145", "–"]
    assert line_with(both, "ibm/fez").split()[1:4] == ["–", "–", "1.60"]
    assert "QPU second" in alone and "shot   " not in alone.splitlines()[2]


def test_a_rehearsal_is_labelled_with_the_device_whose_price_it_shows() -> None:
    time = Seconds(0.58, 10.1, "assumed")
    first = times(inferred(**REHEARSAL, time=time))
    assert "rehearsal of braket/garnet" in first
    assert "0.58–10 s" in line_with(first, "emulator/garnet") and "assumed" in first
    second = prices(charged(**REHEARSAL, tasks=None))
    assert "rehearsal of" in second
    assert "rehearsals cost nothing; as billed: what the device would charge" in second
    assert "rehears" not in times(inferred()) + prices(charged())


def test_adaptive_shots_are_shown_by_their_mean() -> None:
    assert "× 58.3 (mean)" in times(inferred(mean_shots=58.3))


def test_what_is_not_billed_yet_is_an_upper_end() -> None:
    output = prices(charged(usd_open=Decimal(3)))
    assert "≤ 35.94" in output and "not billed yet" in output
    assert "≤" not in prices(charged())


def test_what_else_the_journal_holds_is_said() -> None:
    more = spent(usd=Decimal(60), tasks=5, failed_tasks=1)
    assert "braket/garnet: the journal holds 60.00 USD in all, 5 tasks, 1 failed" in prices(
        charged(journal=more)
    )
    assert "journal" not in prices(charged(journal=spent()))


def test_several_circuits_an_inference_are_said() -> None:
    output = " ".join(prices(charged(), circuits=3).split())
    assert "one task per circuit, by the price sheet (3 circuits an inference)" in output


def test_a_simulator_that_was_not_timed_says_how_to() -> None:
    assert "--device sim" in times(replace(SIMULATOR, time=None))


def test_both_fit_in_110_columns() -> None:
    name = "braket/forte-enterprise-1"
    rows = [
        inferred(device=name, usd_per_inference=Decimal("41.26")),
        inferred(**REHEARSAL | {"priced_as": name}),
        charged(device=name, usd=Decimal("1980.48"), one_task_each={512: Decimal("1980.48"), 1024: None}),
        charged(**REHEARSAL | {"priced_as": name}),
    ]
    for table in (inferred_table(made(*rows)), charged_table(made(*rows))):
        output = shown(table, 110)
        assert "…" not in output and max(map(len, output.splitlines())) <= 110


def test_names_are_text_not_markup_and_move_no_cursor() -> None:
    output = times(inferred(device=HOSTILE, vendor=HOSTILE)) + prices(charged(device=HOSTILE, plan=HOSTILE))
    assert output.count("[bold]<script>�[2J") == 4 and "\x1b" not in output


@pytest.fixture
def rehearsed(run_copy: Run) -> Path:
    folder = run_copy.path / "hardware" / "emulator-garnet"
    folder.mkdir(parents=True)
    (folder / "assessment.json").write_text(json.dumps(example.assessment()))
    (folder / "samples.csv").write_text(example.samples())
    return run_copy.path


def test_the_command_writes_the_report_anew(rehearsed: Path) -> None:
    result = qcli(f"report {rehearsed}")
    assert (result.code, result.out) == (0, "")
    assert f"report: {rehearsed / 'report.html'}" in result.err
    first = (rehearsed / "report.html").read_text()
    assert "emulator/garnet: 48 inferences × 512 shots" in first
    (rehearsed / "hardware" / "emulator-garnet" / "assessment.json").unlink()
    qcli(f"report {rehearsed}")
    assert "emulator/garnet: 48" not in (rehearsed / "report.html").read_text()


def test_the_command_prints_both_tables(rehearsed: Path) -> None:
    result = qcli(f"report {rehearsed} --talk-tables")
    assert result.code == 0
    assert "vqc: time and cost of an inference" in result.out and "What the devices charge" in result.out
    assert line_with(result.out, "emulator/garnet").split()[:3] == ["emulator/garnet", "IQM", "20"]
    assert (rehearsed / "report.html").is_file()


def test_the_command_prints_json(rehearsed: Path) -> None:
    content = json.loads(qcli(f"report {rehearsed} --talk-tables --json").out)
    assert content["report"] == str(rehearsed / "report.html")
    assert content["talk"]["charged"][0]["one_task_each"]["512"] == "50.03520"
    assert json.loads(qcli(f"report {rehearsed} --json").out)["talk"] is None


def test_without_a_run_directory_there_is_no_report(tmp_path: Path) -> None:
    result = qcli(f"report {tmp_path}")
    assert result.code == 2 and "run.json" in result.what
