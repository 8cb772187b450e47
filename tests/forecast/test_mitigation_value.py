"""What mitigation regains on a trained model, and what it adds to the bill."""

import json
from decimal import Decimal

import pytest

from qcli.device.catalogue import catalogue
from qcli.errors import QcliError
from qcli.forecast.accuracy import Range, subject_of
from qcli.forecast.mitigation.value import Row, best_of, by_value
from qcli.price import estimate as price
from qcli.price.sheet import terms
from qcli.price.subject import subject_of as priced
from qcli.price.workload import parse_mitigation

GARNET, FEZ, FORTE = (catalogue()[key] for key in ("braket/garnet", "ibm/fez", "braket/forte-enterprise-1"))
SHOTS = 200


@pytest.fixture(scope="module")
def subject(trained):
    return subject_of(trained, 12)


@pytest.fixture(scope="module")
def values(subject):
    return {device.key: by_value(subject, device, SHOTS, runs=6) for device in (GARNET, FEZ)}


def named(value):
    return {row.technique: row for row in value.rows}


@pytest.mark.parametrize("device", ["braket/garnet", "ibm/fez"])
def test_extra_costs_are_differences_of_the_cheapest_bills(trained, values, device):
    def plan(*mitigation):
        question = price.Question(
            inferences=12, shots=SHOTS, mitigation=parse_mitigation(mitigation), devices=(device,)
        )
        return price.estimate(priced(str(trained.path), {}), question).rows[0].cheapest

    assert values[device].usd == plan().usd
    for row in values[device].rows:
        if row.technique not in ("none", "dd"):
            with_it = plan(*row.technique.split())
            assert row.extra_usd == with_it.usd - plan().usd
            assert row.extra_s == (
                with_it.time.low_s - plan().time.low_s,
                with_it.time.high_s - plan().time.high_s,
            )


def test_no_mitigation_comes_first_and_regains_nothing(values):
    row = values["braket/garnet"].rows[0]
    assert (row.technique, row.extra_usd, row.regained) == ("none", 0, Range(0.0, 0.0, 0.0))


def test_twirling_is_equal_to_none_and_says_why(values):
    none, twirl = (named(values["braket/garnet"])[name] for name in ("none", "twirl=16"))
    assert (twirl.accuracy, twirl.error) == (none.accuracy, none.error)
    assert "no coherent errors" in twirl.remark


def test_correction_and_extrapolation_bring_outputs_closer(values):
    rows = named(values["braket/garnet"])
    assert rows["readout zne=1,3"].removed.low > 0


def test_decoupling_is_free_where_it_is_offered(values):
    assert named(values["ibm/fez"])["dd"].extra_usd == 0
    assert "assumed: ideal echo" in named(values["ibm/fez"])["dd"].remark
    refused = named(values["braket/garnet"])["dd"]
    assert (refused.offered, refused.accuracy, refused.remark) == (
        False,
        None,
        "not offered on Braket devices",
    )


def test_debiasing_is_tried_on_ionq_alone_and_priced_by_the_terms_given(subject, values):
    assert "debias" not in named(values["ibm/fez"])
    refused = named(by_value(subject, FORTE, SHOTS, runs=1))["debias"]
    assert not refused.offered and "needs 2,500 shots" in refused.remark
    entry = terms("azure/ionq-forte-enterprise-1")
    offered = named(by_value(subject, FORTE, SHOTS, entry, runs=1))["debias"]
    assert offered.extra_usd > 0 and offered.regained == Range(0.0, 0.0, 0.0)


def test_the_document_is_plain_data_with_money_as_text(values):
    content = json.loads(json.dumps(values["ibm/fez"].to_json()))
    assert content["usd"] == f"{values['ibm/fez'].usd:f}"
    assert [row["technique"] for row in content["rows"]] == list(named(values["ibm/fez"]))
    assert Decimal(content["rows"][2]["extra_usd"]) == values["ibm/fez"].rows[2].extra_usd


def test_the_same_seed_gives_the_same_table(subject, values):
    assert by_value(subject, GARNET, SHOTS, runs=6) == values["braket/garnet"]


def test_the_verdict_names_the_best(values):
    for value in values.values():
        assert value.best in named(value)
        assert value.verdict.startswith(value.best)


def row(name, low, regained, usd):
    return Row(name, True, "", regained=Range(regained, low, 1.0), extra_usd=Decimal(usd))


NONE = row("none", 0.0, 0.0, "0")


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([row("unsure", -0.01, 0.2, "1")], "none"),
        ([row("dear", 0.1, 0.2, "10"), row("cheap", 0.05, 0.1, "1")], "cheap"),
        ([row("cheap", 0.1, 0.2, "0.01"), row("free", 0.01, 0.02, "0")], "free"),
        ([row("free", 0.01, 0.02, "0"), row("better", 0.02, 0.05, "-1")], "better"),
        ([Row("missing", False, "not offered")], "none"),
    ],
)
def test_the_best_is_what_surely_regains_most_per_usd(rows, best):
    assert best_of((NONE, *rows)).technique == best


@pytest.mark.parametrize("shots", [-1, 0, 10**9])
def test_shots_that_the_device_does_not_take_are_refused(subject, shots):
    with pytest.raises(QcliError, match="shots"):
        by_value(subject, GARNET, shots)


def test_no_runs_are_refused(subject):
    with pytest.raises(QcliError, match="0 runs"):
        by_value(subject, GARNET, SHOTS, runs=0)
