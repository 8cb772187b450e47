"""Plain, mitigated and adaptive readings of a model's test samples, on the emulator."""

import numpy as np
import pytest
import torch

from qcli import QcliError
from qcli.assess.inference import infer
from qcli.assess.measured import measure, plan_stages
from qcli.assess.request import Stages, parse_for
from qcli.assess.validate import validate_on_hardware
from qcli.device.catalogue import find
from qcli.execute.emulator import Emulator
from qcli.price.workload import parse_mitigation
from qcli.simulate.exact import Exact


@pytest.fixture(scope="module")
def samples(trained):
    return trained.rows("test", 24)[0]


@pytest.fixture(scope="module")
def model(trained):
    return trained.model()


@pytest.fixture(scope="module")
def exact(model, samples):
    return infer(model, samples, 2, Exact("auto", torch.float64), len(samples))


def emulator(shots, seed=0):
    return Emulator(find("garnet"), shots, seed)


def off(exact, inference):
    return np.abs(inference.outputs - exact.outputs).mean()


def test_mitigation_brings_outputs_nearer_to_the_exact_ones_and_keeps_the_raw_ones(model, samples, exact):
    mitigation = parse_mitigation(["readout", "zne=1,3"])
    found = measure(model, samples, 2, emulator(4000), 4000, mitigation)
    plain = measure(model, samples, 2, emulator(4000), 4000)
    assert found.raw is not None and plain.raw is None
    assert off(exact, found.final) < off(exact, found.raw) == pytest.approx(off(exact, plain.final), rel=0.2)


def test_raw_and_mitigated_outputs_come_from_the_same_circuits(model, samples):
    device = emulator(100)
    measure(model, samples, 2, device, 100, parse_mitigation(["readout", "zne=1,3"]))
    assert device.circuits_run == 2 * len(samples) + 2


def test_a_second_stage_reads_only_samples_whose_label_may_change(model, samples):
    stages = Stages(
        first=20,
        second=200,
        band=1.5,
        unit="logit gap",
        contrast=0.8,
        expected_revisited=0.2,
        expected_flips=0.0,
    )
    device = emulator(20)
    found = measure(model, samples, 2, device, 20, stages=stages)
    assert found.revisited is not None
    again = int(found.revisited.mask.sum())
    assert 0 < again < len(samples)
    assert device.shots_run == 20 * len(samples) + 200 * again
    assert found.revisited.mean_shots == pytest.approx(device.shots_run / len(samples))
    once = measure(model, samples, 2, emulator(20), 20).final
    untouched = ~found.revisited.mask
    assert (found.final.outputs[untouched] == once.outputs[untouched]).all()


def test_shots_of_both_stages_count_together(model, samples, exact):
    everywhere = Stages(
        first=50,
        second=4950,
        band=10.0,
        unit="logit gap",
        contrast=1.0,
        expected_revisited=1.0,
        expected_flips=0.0,
    )
    both = measure(model, samples, 2, emulator(50), 50, stages=everywhere)
    assert both.revisited is not None and both.revisited.mask.all()
    plain = measure(model, samples, 2, emulator(5000, seed=1), 5000).final
    assert np.abs(both.final.outputs - plain.outputs).max() < 5 * np.sqrt(2 / 5000)


def test_a_plan_takes_fewer_shots_than_it_stands_for(model, samples):
    stages = plan_stages(model, samples, 2, 512, None, 0.8, (1, 20_000))
    assert stages.first + stages.expected_revisited * stages.second < 512
    strict = plan_stages(model, samples, 2, 512, 0.002, 0.8, (1, 20_000))
    loose = plan_stages(model, samples, 2, 512, 0.05, 0.8, (1, 20_000))
    assert loose.first <= strict.first


def test_a_device_s_fewest_shots_are_kept(model, samples):
    assert plan_stages(model, samples, 2, 512, 0.05, 0.8, (100, 5_000)).first >= 100


def test_more_than_a_device_can_do_is_refused(model, samples):
    with pytest.raises(QcliError, match="not even 2 shots") as refusal:
        plan_stages(model, samples, 2, 2, 0.001, 0.8, (1, 2))
    assert "--max-flips" in refusal.value.fix


@pytest.mark.parametrize(
    ("device", "names", "hardware", "what"),
    [
        ("garnet", ["debias"], True, "no debiasing"),
        ("garnet", ["twirl"], True, "not offered"),
        ("garnet", ["dd"], True, "not offered"),
        ("garnet", ["trex"], False, "emulator has no trex"),
        ("fez", ["dd=XXX"], True, "mitigation 'dd=XXX'"),
        ("fez", ["debias"], True, "no debiasing"),
        ("fez", ["zne=2"], True, "mitigation 'zne=2'"),
        ("fez", ["magic"], True, "mitigation 'magic'"),
    ],
)
def test_what_a_device_does_not_offer_is_refused(device, names, hardware, what):
    with pytest.raises(QcliError) as refusal:
        parse_for(tuple(names), find(device), hardware)
    assert what in refusal.value.what
    assert refusal.value.fix


def test_trex_is_measurement_twirling_with_readout_correction():
    own, vendor = parse_for(("trex", "twirl=8", "dd"), find("fez"), hardware=True)
    assert own.readout and own.twirls == 1
    assert vendor.measure_twirl and vendor.twirl == 8 and vendor.dd == "XpXm"


def test_an_adaptive_rehearsal_says_what_both_ways_cost(run_copy):
    content = validate_on_hardware(run_copy, "emulator/garnet", inferences=24, adaptive=True)
    plan, cost = content["adaptive"], content["cost"]
    assert plan["mean_shots"] < 512
    assert float(cost["real_usd"]) < float(cost["uniform_usd"]) < float(cost["separate_usd"])
    assert float(cost["real_usd"]) < 0.4 * float(cost["separate_usd"])


@pytest.mark.parametrize("more", [{"adaptive": True}, {"mitigation": ["readout"]}])
def test_a_simulator_has_neither_mitigation_nor_adaptive_shots(run_copy, more):
    with pytest.raises(QcliError, match="no noise"):
        validate_on_hardware(run_copy, "sampled", inferences=4, **more)
