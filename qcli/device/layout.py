"""Where a device's qubits stand in a drawing: on the chip's lattice where it is known or can be found."""

from collections.abc import Callable
from itertools import pairwise

from qcli.device.record import Device

Place = tuple[int, int]
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
_TRIES = 5_000
_LARGEST = 500


def lattice(device: Device) -> dict[int, Place] | None:
    """Row and column of each qubit, from 0, such that coupled qubits are neighbours; None where there are none.

    Taken from the record if it holds such places, else searched for on the square lattice; what is found is turned
    to be wide rather than tall, with numbers that grow to the right and downwards. Parts that no coupler joins, such as
    a qubit without couplers, stand beside the largest.
    """
    if device.grid is not None:
        given = {qubit.id: place for qubit, place in zip(device.qubits, device.grid, strict=True)}
        if all(_adjacent(given[edge.a], given[edge.b]) for edge in device.edges):
            return _to_origin(given)
    neighbours: dict[int, set[int]] = {qubit.id: set() for qubit in device.qubits}
    for edge in device.edges:
        neighbours[edge.a].add(edge.b)
        neighbours[edge.b].add(edge.a)
    if max(map(len, neighbours.values())) > len(_STEPS) or len(neighbours) > _LARGEST:
        return None
    found = [_embed({qubit: neighbours[qubit] for qubit in part}) for part in _parts(neighbours)]
    return _beside([_upright(part) for part in found if part]) if all(found) else None


def spread(device: Device) -> dict[int, tuple[float, float]]:
    """A place (x, y) for each qubit, y downwards: the lattice, a ring if all are coupled, else a spring layout.

    The spring layout is T. Kamada and S. Kawai's, Inf. Process. Lett. 31, 7 (1989).
    """
    if (places := lattice(device)) is not None:
        return {qubit: (float(column), float(row)) for qubit, (row, column) in places.items()}
    import networkx as nx

    graph = nx.Graph([edge[:2] for edge in device.edges])
    graph.add_nodes_from(qubit.id for qubit in device.qubits)
    drawn = nx.circular_layout(graph) if device.all_to_all else nx.kamada_kawai_layout(graph)
    size = len(graph) ** 0.5
    return {qubit: (float(x) * size, float(y) * size) for qubit, (x, y) in drawn.items()}


def _parts(neighbours: dict[int, set[int]]) -> list[set[int]]:
    """The qubits that couplers join, the largest part first."""
    parts: list[set[int]] = []
    for start in neighbours:
        if not any(start in part for part in parts):
            part, border = {start}, {start}
            while border:
                border = set().union(*(neighbours[qubit] for qubit in border)) - part
                part |= border
            parts.append(part)
    return sorted(parts, key=len, reverse=True)


def _beside(drawings: list[dict[int, Place]]) -> dict[int, Place]:
    """In columns as tall as the tallest, from the left."""
    tallest = max(_size(drawing)[0] for drawing in drawings)
    places: dict[int, Place] = {}
    top = left = right = 0
    for drawing in drawings:
        rows, columns = _size(drawing)
        if top + rows > tallest:
            top, left = 0, right
        places |= {qubit: (top + row, left + column) for qubit, (row, column) in drawing.items()}
        top, right = top + rows, max(right, left + columns)
    return places


def _embed(neighbours: dict[int, set[int]]) -> dict[int, Place] | None:
    """Distinct points of the square lattice with coupled qubits at distance 1, by depth-first search."""
    places: dict[int, Place] = {}
    tries = 0

    def free(qubit: int) -> list[Place]:
        around = [places[other] for other in neighbours[qubit] if other in places]
        taken = set(places.values())
        row, column = around[0]
        options = [(row + dr, column + dc) for dr, dc in _STEPS]
        return [
            (r, c)
            for r, c in options
            if (r, c) not in taken and all(_adjacent((r, c), other) for other in around)
        ]

    def search() -> bool:
        nonlocal tries
        tries += 1
        border = [q for q in neighbours if q not in places and neighbours[q] & places.keys()]
        if not border:
            return True
        options = {qubit: free(qubit) for qubit in border}
        qubit = min(border, key=lambda q: (len(options[q]), -len(neighbours[q] & places.keys()), q))
        for place in options[qubit]:
            places[qubit] = place
            if search() or tries > _TRIES:
                return True
            del places[qubit]
        return False

    start = max(neighbours, key=lambda q: len(neighbours[q]))
    places[start] = (0, 0)
    search()
    return places if len(places) == len(neighbours) else None


def _adjacent(one: Place, other: Place) -> bool:
    return abs(one[0] - other[0]) + abs(one[1] - other[1]) == 1


def _upright(places: dict[int, Place]) -> dict[int, Place]:
    """The one of the eight symmetric drawings that is wide and whose numbers grow to the right and downwards."""
    turns: list[Callable[[int, int], Place]] = [lambda r, c: (r, c), lambda r, c: (c, r)]
    drawings = [
        _to_origin({q: (a * turn(*place)[0], b * turn(*place)[1]) for q, place in places.items()})
        for turn in turns
        for a in (1, -1)
        for b in (1, -1)
    ]

    def reading(drawing: dict[int, Place]) -> tuple[bool, int, list[Place]]:
        rows, columns = _size(drawing)
        order = [drawing[qubit] for qubit in sorted(drawing)]
        return rows > columns, sum(a > b for a, b in pairwise(order)), order

    return min(drawings, key=reading)


def _size(drawing: dict[int, Place]) -> tuple[int, int]:
    """Rows and columns of a drawing that starts at (0, 0)."""
    rows, columns = (1 + max(place[axis] for place in drawing.values()) for axis in (0, 1))
    return rows, columns


def _to_origin(places: dict[int, Place]) -> dict[int, Place]:
    top = min(row for row, _ in places.values())
    left = min(column for _, column in places.values())
    return {qubit: (row - top, column - left) for qubit, (row, column) in places.items()}
