import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.device import drawing
from qcli.device.catalogue import catalogue, find, names
from qcli.device.importers import from_braket
from qcli.device.layout import lattice, spread
from qcli.device.record import Device, Edge, Qubit
from tests.device import shapes

LATTICES = [name for name in names() if not catalogue()[name].all_to_all]


def shaped(edges: list[tuple[int, int]]) -> Device:
    ids = sorted({qubit for edge in edges for qubit in edge})
    return from_braket(shapes.iqm(), "small").model_copy(
        update={
            "qubits": tuple(Qubit(i, None, None, 1e-3, 1e-2, 1e-2) for i in ids),
            "edges": tuple(Edge(a, b, 1e-2) for a, b in edges),
        }
    )


@pytest.mark.parametrize("name", LATTICES)
def test_coupled_qubits_are_neighbours_on_the_lattice(name: str) -> None:
    device = catalogue()[name]
    places = lattice(device)
    assert places is not None
    assert len(set(places.values())) == len(device.qubits)
    for edge in device.edges:
        (r1, c1), (r2, c2) = places[edge.a], places[edge.b]
        assert abs(r1 - r2) + abs(c1 - c2) == 1


def test_garnet_is_drawn_as_on_its_chip() -> None:
    places = lattice(find("garnet"))
    assert places is not None
    rows = [sorted(qubit for qubit, (row, _) in places.items() if row == r) for r in range(5)]
    assert rows == [[1, 2], [3, 4, 5, 6, 7], [8, 9, 10, 11, 12], [13, 14, 15, 16, 17], [18, 19, 20]]
    for row in rows:
        assert all(places[a][1] < places[b][1] for a, b in pairwise(row))


@given(st.integers(2, 7), st.integers(2, 7), st.randoms(use_true_random=False))
def test_any_numbering_of_a_square_lattice_is_found_again(rows: int, columns: int, random) -> None:
    numbers = random.sample(range(rows * columns), rows * columns)
    grid = [numbers[r * columns : (r + 1) * columns] for r in range(rows)]
    across = [pair for row in grid for pair in pairwise(row)]
    down = [pair for column in zip(*grid, strict=True) for pair in pairwise(column)]
    places = lattice(shaped(across + down))
    assert places is not None
    assert {max(rows, columns) - 1, min(rows, columns) - 1} == {
        max(r for r, _ in places.values()),
        max(c for _, c in places.values()),
    }


@pytest.mark.parametrize(
    "edges", [[(0, 1), (1, 2), (2, 0)], [(0, i) for i in range(1, 6)]], ids=["triangle", "star of five"]
)
def test_a_graph_that_is_no_part_of_the_lattice_is_spread_by_springs(edges: list[tuple[int, int]]) -> None:
    device = shaped(edges)
    assert lattice(device) is None
    assert len(set(spread(device).values())) == len(device.qubits)


def test_qubits_without_couplers_stand_beside_the_map() -> None:
    line = shaped([(0, 1), (1, 2), (2, 3), (3, 0), (5, 6)])
    alone = tuple(Qubit(i, None, None, 1e-3, 1e-2, 1e-2) for i in (7, 8))
    device = line.model_copy(update={"qubits": line.qubits + alone})
    places = lattice(device)
    assert places is not None
    assert {places[qubit] for qubit in range(4)} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert {places[qubit] for qubit in (5, 6)} == {(0, 2), (0, 3)}
    assert len(set(places.values())) == len(device.qubits)
    picture = drawing.drawn(device, "error", 110)
    assert picture is not None
    assert sorted(picture.plain.translate(_LINES).split()) == ["0", "1", "2", "3", "5", "6", "7", "8"]


def test_places_in_a_record_that_part_coupled_qubits_are_not_drawn() -> None:
    device = shaped([(0, 1), (1, 2)]).model_copy(update={"grid": ((0, 0), (0, 1), (5, 5))})
    places = lattice(device)
    assert places is not None
    assert {places[0], places[2]} <= {
        (places[1][0] + r, places[1][1] + c) for r, c in ((0, 1), (1, 0), (0, -1), (-1, 0))
    }


def test_fifths_hold_equal_shares_and_ascend() -> None:
    found = drawing.scale([i / 100 for i in range(1, 11)] + [None])
    assert found is not None
    assert [found.fifth(i / 100) for i in range(1, 11)] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [i for i, _, _ in found.ranges()] == [0, 1, 2, 3, 4]


def test_equal_figures_are_all_best_and_unknown_ones_have_no_scale() -> None:
    same = drawing.scale([0.01, 0.01])
    assert same is not None and same.fifth(0.01) == 0 and len(same.ranges()) == 1
    assert drawing.scale([None]) is None


@pytest.mark.parametrize("name", ["braket/garnet", "ibm/boston", "ibm/sherbrooke", "braket/cepheus-1-108q"])
def test_a_map_of_110_columns_names_every_qubit_and_marks_what_is_not_calibrated(name: str) -> None:
    device = catalogue()[name]
    picture = drawing.drawn(device, "error", 110)
    assert picture is not None
    assert max(map(len, picture.plain.splitlines())) <= 110
    crosses = sum(edge.error is None for edge in device.edges)
    assert picture.plain.count("×") == crosses
    assert [int(word) for word in sorted(picture.plain.translate(_LINES).split(), key=int)] == sorted(
        qubit.id for qubit in device.qubits
    )
    struck = [span for span in picture.spans if "strike" in str(span.style)]
    assert len(struck) == sum(not qubit.calibrated for qubit in device.qubits)


_LINES = dict.fromkeys(map(ord, "".join(drawing.ACROSS + drawing.DOWN) + "×"), " ")


def test_the_worst_qubit_and_coupler_take_the_last_colour() -> None:
    picture = drawing.drawn(find("garnet"), "readout", 110)
    assert picture is not None
    coloured = {
        picture.plain[span.start : span.end].strip(): str(span.style)
        for span in picture.spans
        if picture.plain[span.start : span.end].strip().isdigit()
    }
    assert drawing.COLOURS[4] in coloured["12"]
    assert drawing.COLOURS[0] in coloured["8"]


def test_no_map_is_drawn_where_it_would_not_fit_or_all_are_coupled() -> None:
    assert drawing.drawn(find("fez"), "error", 90) is None
    assert drawing.drawn(find("forte-enterprise-1"), "error", 200) is None


@pytest.mark.parametrize("name", ["braket/cepheus-1-108q", "braket/ibex-q1"])
@pytest.mark.parametrize("by", drawing.MEASURES)
def test_the_svg_names_every_qubit_and_is_the_same_each_time(name: str, by: str) -> None:
    device = catalogue()[name]
    text = drawing.svg(device, by)
    assert text == drawing.svg(device, by)
    words = {"".join(node.itertext()).strip() for node in ElementTree.fromstring(text).iter()}
    assert {str(qubit.id) for qubit in device.qubits} <= words
    assert any(device.full_name in word for word in words)
    lost = any(not qubit.calibrated for qubit in device.qubits)
    assert (drawing.GREY in text) == lost
