"""What the bundled sheets hold, and what a user's own sheets make of them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from qcli.device.catalogue import catalogue, names
from qcli.errors import QcliError
from qcli.price.refresh import changes, missing_devices, overlay, parse, unknown_devices, write_overlay
from qcli.price.sheet import figures, load_sheets, terms
from qcli.price.tariff import BASES, Credits, GateShots, Metered, PerSecond, PerTask, ProgramSets, Terms
from tests.price.price_file import price_file

D = Decimal


def devices() -> Mapping[str, Terms]:
    return load_sheets().devices


# Figures of the bundled sheets: shot price, reservation and shots of Amazon Braket's QPUs in September 2026

BRAKET = [
    ("cepheus-1-108q", 108, "0.000425", 10, 50_000, "4100", "online"),
    ("garnet", 20, "0.00145", 1, 20_000, "3000", "online"),
    ("emerald", 54, "0.0016", 1, 20_000, "4000", "online"),
    ("forte-1", 36, "0.08", 100, 5_000, "7000", "offline"),
    ("forte-enterprise-1", 36, "0.08", 100, 5_000, "7000", "online"),
    ("ibex-q1", 12, "0.0235", 1, 2_000, "4800", "online"),
    ("aquila", 256, "0.01", 1, 1_000, "2500", "online"),
    ("ankaa-3", 82, "0.0009", 10, 50_000, "5750", "retired"),
    ("aria-1", 25, "0.03", None, None, "7000", "retired"),
    ("aria-2", 25, "0.03", None, None, "7000", "retired"),
]
SIMULATORS = [("sv1", 34), ("dm1", 17)]
IBM = [
    ("phoenix", 120, 109_700, "online"),
    ("miami", 120, 250, "online"),
    ("berlin", 120, 250, "online"),
    ("boston", 156, 3_800, "online"),
    ("pittsburgh", 156, 3_800, "online"),
    ("aachen", 156, 3_800, "online"),
    ("kingston", 156, 3_800, "online"),
    ("fez", 156, 3_900, "online"),
    ("marrakesh", 156, 3_700, "offline"),
    ("torino", 133, 3_800, "retired"),
]
IONQ = [
    ("azure/ionq-forte-1", 36, "0.0001645", "0.001121", "25.7899", "168.195", None, "online"),
    ("azure/ionq-forte-enterprise-1", 36, "0.0001645", "0.001121", "25.7899", "168.195", None, "online"),
    ("azure/ionq-aria-1", 25, "0.000220", "0.000975", "12.4166", "97.50", None, "online"),
    ("ionq/forte-1", 36, "0.0001645", "0.001121", "25.7899", "168.195", 500, "offline"),
    ("ionq/forte-enterprise-1", 36, "0.0001645", "0.001121", "25.7899", "168.195", 500, "online"),
]
BY_TIME = [
    ("azure/rigetti-cepheus-1-108q", 108, "0.02", "0.01"),
    ("iqm/garnet", 20, "0.30", "1"),
    ("iqm/emerald", 54, "0.30", "1"),
]
SCALEWAY = [
    ("garnet", 20, "0.22", "0.0012", "2000"),
    ("emerald", 54, "0.25", "0.0014", "3000"),
    ("sirius", 16, "0.20", "0.00075", "1200"),
    ("ibex-q1", 12, "0.30", "0.021", None),
]


def test_the_bundled_sheets_price_these_devices_and_no_others() -> None:
    listed = [f"braket/{row[0]}" for row in BRAKET] + [f"braket/{row[0]}" for row in SIMULATORS]
    listed += [f"ibm/{row[0]}" for row in IBM] + [row[0] for row in IONQ] + [row[0] for row in BY_TIME]
    listed += [f"scaleway/{row[0]}" for row in SCALEWAY] + ["azure/quantinuum-h2"]
    assert sorted(devices()) == sorted(listed)


@pytest.mark.parametrize(("name", "qubits", "shot", "least", "most", "hour", "status"), BRAKET)
def test_a_qpu_of_amazon_braket_costs_what_its_price_file_says(
    name: str, qubits: int, shot: str, least: int | None, most: int | None, hour: str, status: str
) -> None:
    device = terms(f"braket/{name}")
    assert device.price == PerTask(D("0.30"), D(shot)) and device.reservation == D(hour)
    assert (device.qubits, device.status) == (qubits, status)
    assert (device.shots_min, device.shots_max) == (least, most)
    assert device.instance == ("ml.m5.large", D("0.115"))


@pytest.mark.parametrize(("name", "qubits"), SIMULATORS)
def test_a_managed_simulator_costs_by_the_millisecond_from_three_seconds_on(name: str, qubits: int) -> None:
    device = terms(f"braket/{name}")
    assert (device.kind, device.qubits) == ("simulator", qubits)
    assert device.price == Metered(D("0.075") / 60 / 1000, D("0.001"), D(3))
    assert device.price.usd_per_step * 3000 == D("0.00375")


@pytest.mark.parametrize(("name", "qubits", "rate", "status"), IBM)
def test_a_qpu_of_ibm_costs_by_the_second_at_its_own_rate(
    name: str, qubits: int, rate: int, status: str
) -> None:
    device = terms(f"ibm/{name}")
    assert device.price == PerSecond(D("1.60"), D(2), D(rate), D(1), 10_000_000)
    assert (device.qubits, device.status, device.contract) == (qubits, status, "pay-as-you-go")


@pytest.mark.parametrize(
    ("contract", "usd", "covered"), [("flex", "1.20", 10), ("premium", "0.80", 10), ("open", "0", 1)]
)
def test_a_contract_of_ibm_changes_the_price_of_a_second_and_nothing_else(
    contract: str, usd: str, covered: int
) -> None:
    under = load_sheets(contracts={"ibm": contract}).devices
    plain, kingston = terms("ibm/kingston"), under["ibm/kingston"]
    assert isinstance(plain.price, PerSecond)
    assert kingston.price == replace(plain.price, usd_per_s=D(usd))
    assert kingston.allowance_s == (D(600) if contract == "open" else None)
    assert sum(device.contract == contract for device in under.values()) == covered
    assert {name: device for name, device in under.items() if device.contract != contract} == {
        name: device for name, device in devices().items() if under[name].contract != contract
    }


@pytest.mark.parametrize(
    ("name", "qubits", "one", "two", "least", "debiased", "forced", "status"),
    IONQ,
    ids=[row[0] for row in IONQ],
)
def test_ionq_costs_by_gate_and_shot_from_a_minimum_on(
    name: str, qubits: int, one: str, two: str, least: str, debiased: str, forced: int | None, status: str
) -> None:
    device = terms(name)
    assert device.price == GateShots(D(one), D(two), D(least), D(debiased), forced)
    assert (device.qubits, device.status) == (qubits, status)


@pytest.mark.parametrize(("name", "qubits", "usd", "step"), BY_TIME)
def test_rigetti_and_iqm_cost_by_time(name: str, qubits: int, usd: str, step: str) -> None:
    device = terms(name)
    assert device.price == Metered(D(usd), D(step), D(0)) and device.machine_time
    assert (device.qubits, device.status) == (qubits, "online")


def test_quantinuum_costs_by_credits_of_the_chosen_subscription() -> None:
    h2 = terms("azure/quantinuum-h2")
    assert (h2.price, h2.qubits, h2.contract) == (Credits(D("12.50"), D(5)), 56, "standard")
    premium = load_sheets(contracts={"azure": "premium"}).devices
    assert premium["azure/quantinuum-h2"].price == Credits(D("10.30"), D(5))
    assert premium["azure/ionq-forte-1"] == terms("azure/ionq-forte-1")


@pytest.mark.parametrize(("name", "qubits", "task", "shot", "hour"), SCALEWAY)
def test_scaleway_costs_in_euros(name: str, qubits: int, task: str, shot: str, hour: str | None) -> None:
    device, rate = terms(f"scaleway/{name}"), D("1.1687")
    quoted = {quote.key: (quote.value, quote.unit) for quote in device.quotes}
    assert quoted["price.task_fee"] == (D(task), "EUR/task")
    assert quoted["price.shot_price"] == (D(shot), "EUR/shot")
    assert device.price == PerTask(D(task) * rate, D(shot) * rate)
    assert device.reservation == (D(hour) * rate if hour else None)
    assert (device.qubits, device.basis) == (qubits, "assumed")


# What else the bundled sheets say


def test_program_sets_are_confirmed_but_for_ionq() -> None:
    sets = {name: device.program_set for name, device in devices().items() if device.program_set}
    confirmed = ["ankaa-3", "cepheus-1-108q", "emerald", "garnet", "ibex-q1"]
    assert {name: limits for name, limits in sets.items() if limits.confirmed} == {
        f"braket/{name}": ProgramSets(100, 200_000) for name in confirmed
    }
    assert {name for name, limits in sets.items() if not limits.confirmed} == {
        "braket/forte-1",
        "braket/forte-enterprise-1",
    }


def test_ionq_on_amazon_braket_limits_gates_and_debiases_from_2500_shots() -> None:
    for name in ("braket/forte-1", "braket/forte-enterprise-1"):
        forte = terms(name)
        assert (forte.gates_max, forte.gates_max_reserved, forte.debias_min_shots) == (2000, 5000, 2500)


def test_retired_devices_say_when_where_that_is_known() -> None:
    assert {name: device.retired_on for name, device in devices().items() if device.status == "retired"} == {
        "braket/ankaa-3": date(2026, 4, 17),
        "braket/aria-1": None,
        "braket/aria-2": None,
        "ibm/torino": date(2026, 4, 1),
    }


def test_only_aquila_runs_no_gate_circuits() -> None:
    assert [name for name, device in devices().items() if device.kind == "analog"] == ["braket/aquila"]


def test_every_figure_has_a_source_a_date_of_the_past_a_unit_and_a_basis() -> None:
    for name, device in devices().items():
        assert {rule.basis for rule in device.machine_time} <= {quote.basis for quote in device.quotes}, name
        for quote in device.quotes:
            assert len(quote.source) > 15 and quote.unit, (name, quote.key)
            assert date(2025, 1, 1) < quote.verified_on <= date.today(), (name, quote.key)
            assert quote.basis in BASES and quote.basis != "contract", (name, quote.key)


def test_every_device_compiles_as_one_of_the_catalogue_or_as_itself() -> None:
    elsewhere = {name: t.compile_as for name, t in devices().items() if t.compile_as != name}
    assert set(elsewhere.values()) <= set(names())
    unpriced = set(names()) - {device.compile_as for device in devices().values()}
    assert {catalogue()[name].status for name in unpriced} == {"retired"}


def test_vendors_without_a_public_price_are_named_with_the_day_of_the_search() -> None:
    unknown = load_sheets().unknown
    missing = ("Rigetti QCS", "Helios", "AQT", "OQC", "Xanadu", "Quandela", "Alice & Bob", "Pasqal", "D-Wave")
    for vendor in missing:
        assert any(vendor in item.name for item in unknown), vendor
    assert all(item.what and item.searched_on <= date.today() for item in unknown)


def test_an_unknown_device_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(QcliError, match="no price for device 'braket/garnt'") as error:
        terms("braket/garnt")
    assert "braket/garnet" in error.value.fix


@pytest.mark.parametrize("name", ["garnet", "Garnet", "BRAKET/Garnet"])
def test_a_device_is_found_without_its_provider_and_in_any_case(name: str) -> None:
    assert terms(name).name == "braket/garnet"


# The user's own sheets

MINE = """\
provider = "braket"
[sources]
mine = { title = "our contract with AWS", verified_on = 2026-10-01 }
"""
ACME = """\
provider = "acme"
[sources]
mine = { title = "our contract with Acme", verified_on = 2026-10-01 }
[devices.one]
full_name = "Acme One"
availability = { qubits = 5, status = "online", basis = "contract", source = "mine" }
[devices.one.price]
kind = "credits"
usd_per_credit = { value = "2", unit = "USD/HQC", basis = "contract", source = "mine" }
base = { value = "5", unit = "HQC/circuit", basis = "contract", source = "mine" }
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder of a user's own sheets."""
    monkeypatch.setenv("QCLI_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "pricing"
    folder.mkdir(parents=True)
    return folder


def shot_price(table: str, usd: str) -> str:
    entry = f'{{ value = "{usd}", unit = "USD/shot", basis = "contract", source = "mine" }}'
    return f"{MINE}[{table}.price]\nshot_price = {entry}\n"


def priced(path: Path | None = None, name: str = "braket/garnet") -> Decimal:
    price = load_sheets(path).devices[name].price
    assert isinstance(price, PerTask)
    return price.shot_price


def test_a_contract_for_one_device_changes_no_other(own: Path) -> None:
    before = devices()
    (own / "aws.toml").write_text(shot_price("devices.garnet", "0.001"))
    after = devices()
    assert {name for name in before if before[name] != after[name]} == {"braket/garnet"}
    assert after["braket/garnet"].price == PerTask(D("0.30"), D("0.001"))
    assert "our contract with AWS" in after["braket/garnet"].source


def test_a_task_fee_in_the_defaults_reaches_all_that_have_one(own: Path) -> None:
    text = shot_price("defaults", "0.20").replace("shot_price", "task_fee").replace("USD/shot", "USD/task")
    before = devices()
    (own / "aws.toml").write_text(text)
    for name, device in devices().items():
        price = before[name].price
        if device.provider == "braket" and isinstance(price, PerTask):
            assert device.price == replace(price, task_fee=D("0.20"))
        else:
            assert device == before[name]


def test_a_provider_of_one_s_own_is_added(own: Path) -> None:
    before = devices()
    (own / "acme.toml").write_text(ACME)
    after = devices()
    assert after["acme/one"].price == Credits(D(2), D(5)) and after["acme/one"].basis == "contract"
    assert {name: device for name, device in after.items() if name != "acme/one"} == before


def test_the_sheet_that_is_named_wins_over_those_in_the_user_s_folder(own: Path, tmp_path: Path) -> None:
    (own / "aws.toml").write_text(shot_price("devices.garnet", "0.001"))
    named = tmp_path / "a.toml"
    named.write_text(shot_price("devices.garnet", "0.002"))
    assert (priced(), priced(named)) == (D("0.001"), D("0.002"))
    (own / "zzz.toml").write_text(shot_price("devices.garnet", "0.003"))
    assert (priced(), priced(named)) == (D("0.003"), D("0.002"))


def test_a_sheet_that_is_removed_no_longer_counts(own: Path) -> None:
    path = own / "aws.toml"
    path.write_text(shot_price("devices.garnet", "0.001"))
    assert priced() == D("0.001")
    path.unlink()
    assert priced() == D("0.00145")


@pytest.mark.parametrize("table", ["devices.garnet", "defaults"])
def test_a_mistake_in_one_s_own_sheet_is_told_of_that_file(own: Path, tmp_path: Path, table: str) -> None:
    (own / "aws.toml").write_text(shot_price("devices.emerald", "0.001"))
    broken, key = tmp_path / "broken.toml", "shot_price"
    text = shot_price(table, "cheap")
    if table == "defaults":
        text, key = text.replace("shot_price", "task_fee").replace("USD/shot", "USD/task"), "task_fee"
    broken.write_text(text)
    with pytest.raises(QcliError) as caught:
        load_sheets(broken)
    assert caught.value.where == str(broken)
    assert caught.value.what.startswith(f"line 5: {table}.price.{key}.value: ")


# Amazon Braket's price file, laid over


def test_a_price_file_that_has_not_changed_keeps_every_price(own: Path) -> None:
    before, file = devices(), parse(price_file(), "https://example.org/index.csv")
    known = figures(load_sheets(), "braket")
    assert changes(file, known) == ()
    assert missing_devices(file, known) == () and unknown_devices(file, known) == (
        "braket/lucy",
        "braket/tn1",
    )
    write_overlay(overlay(file, known, date(2026, 11, 1)))
    after = devices()
    cited = ("source", "verified_on", "basis", "quotes")
    assert {
        name: replace(d, **{key: getattr(before[name], key) for key in cited}) for name, d in after.items()
    } == before
    for name in known:
        refreshed = {
            quote.key: quote for quote in after[name].quotes if quote.verified_on == date(2026, 11, 1)
        }
        keys = (
            {"price.usd_per_min"}
            if name[-3:] in ("sv1", "dm1")
            else {"price.task_fee", "price.shot_price", "reservation"}
        )
        assert set(refreshed) == keys
        assert {quote.basis for quote in refreshed.values()} == {"published"}
        assert all("publication 2026-09-11" in quote.source for quote in refreshed.values())


def test_one_s_own_contract_wins_over_the_list_prices_of_the_price_file(own: Path) -> None:
    known = figures(load_sheets(), "braket")
    path = write_overlay(overlay(parse(price_file(), "https://example.org/index.csv"), known))
    assert path.parent == own and priced() == D("0.00145")
    (own / "a-contract.toml").write_text(shot_price("devices.garnet", "0.001"))
    assert priced() == D("0.001")
