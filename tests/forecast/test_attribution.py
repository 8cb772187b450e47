"""The parts of a loss add up to it; what does not act has no part; the advice is about the largest."""

from dataclasses import replace
from statistics import median

import numpy as np
import pytest
import torch

from qcli.device.catalogue import find
from qcli.forecast import attribution
from qcli.forecast.accuracy import Subject, subject_of
from qcli.forecast.attribution import SOURCES, Attribution, Part, attribute, unrouted
from qcli.forecast.executor import Noisy
from qcli.forecast.figures import expected
from qcli.forecast.optimism import Optimism, optimism
from qcli.forecast.scenarios import usual
from qcli.noise.prepared import Circuits
from qcli.simulate.exact import Exact
from qcli.train.run import Run

SHOTS = 200


@pytest.fixture(scope="module")
def subject(trained: Run) -> Subject:
    return subject_of(trained, 12)


@pytest.fixture(scope="module")
def garnet(subject: Subject) -> Attribution:
    return attribute(subject, find("garnet"), SHOTS)


def outputs(found: Attribution) -> dict[str, float]:
    return {part.source: part.outputs for part in found.parts}


def test_parts_add_up_to_the_whole_loss(subject: Subject, garnet: Attribution) -> None:
    device = find("garnet")
    ideal = subject.infer(Exact("auto", torch.float64))
    whole = Noisy(Circuits(device), usual(optimism(device.vendor)), expected(device), SHOTS)
    found = [subject.infer(whole) for _ in range(32)]
    error = np.mean([np.abs(each.outputs - ideal.outputs).mean() for each in found])
    right = np.mean([(each.labels == subject.y).mean() for each in found])
    assert [part.source for part in garnet.parts] == list(SOURCES)
    assert garnet.outputs == pytest.approx(error, abs=1e-9)
    assert garnet.accuracy == pytest.approx((ideal.labels == subject.y).mean() - right, abs=1e-9)


def test_every_source_acts_and_each_set_of_sources_is_tried_once(subject: Subject) -> None:
    tried: list[tuple[int, int]] = []
    found = attribute(subject, find("fez"), SHOTS, on_step=lambda done, total: tried.append((done, total)))
    assert tried == [(number, 64) for number in range(1, 65)]
    for source in ("two-qubit gates", "one-qubit gates", "readout", "shot noise"):
        assert outputs(found)[source] > 0


def test_the_same_seed_gives_the_same_parts(subject: Subject, garnet: Attribution) -> None:
    assert attribute(subject, find("garnet"), SHOTS) == garnet


def test_a_source_that_is_off_has_no_part(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    def perfect_readout(vendor: str) -> Optimism:
        return replace(optimism(vendor), readout=0.0)

    monkeypatch.setattr(attribution, "optimism", perfect_readout)
    found = attribute(subject, find("garnet"), SHOTS)
    (part,) = [part for part in found.parts if part.source == "readout"]
    assert (part.outputs, part.accuracy) == pytest.approx((0, 0), abs=1e-12)
    assert outputs(found)["two-qubit gates"] > 0.005


def test_where_all_qubits_are_alike_and_coupled_the_layout_has_no_part(subject: Subject) -> None:
    found = attribute(subject, find("forte-enterprise-1"), SHOTS)
    assert outputs(found)["layout"] == pytest.approx(0.0, abs=1e-4)


def test_many_shots_leave_shot_noise_no_part(subject: Subject, garnet: Attribution) -> None:
    found = attribute(subject, find("garnet"), 20_000)
    assert abs(outputs(found)["shot noise"]) < 0.1 * outputs(garnet)["shot noise"]


@pytest.mark.parametrize("name", ["fez", "torino"])
def test_without_a_layout_any_two_qubits_share_a_gate_with_median_figures(name: str) -> None:
    device = find(name)
    found = unrouted(device, 4)
    assert len(found.usable) == 4 and found.all_to_all
    assert {qubit.duration_s for qubit in found.qubits} == {None}
    assert {edge.error for edge in found.edges} == {median(e.error for e in device.usable_edges)}  # type: ignore[type-var]
    for name in ("error_1q", "t1_s", "t2_s", "p1_given_0", "p0_given_1"):
        assert {getattr(q, name) for q in found.qubits} == {
            median(getattr(q, name) for q in device.usable if getattr(q, name) is not None)
        }


@pytest.mark.parametrize("source", SOURCES)
def test_the_advice_is_about_the_largest_part(source: str) -> None:
    def parts(accuracy: float) -> tuple[Part, ...]:
        return tuple(
            Part(each, accuracy if each == source else 0.0, 0.2 if each == "readout" else 0.1)
            for each in SOURCES
        )

    assert attribution._advice(parts(0.02)).startswith(f"first {source}: ")
    assert attribution._advice(parts(0.0)).startswith("first readout: ")
