"""Gate angles as a function of inputs and weights, kept in torch so that gradients flow through it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node

_LINEAR = {
    "alias", "cat", "clone", "diagonal", "expand", "flip", "getitem", "lift_fresh", "lift_fresh_copy", "mean",
    "movedim", "neg", "permute", "repeat", "reshape", "roll", "select", "slice", "split", "split_with_sizes",
    "squeeze", "stack", "sum", "t", "transpose", "unbind", "unsafe_split", "unsqueeze", "view", "_reshape_alias",
    "_unsafe_view", "add", "sub", "rsub",
}  # fmt: skip
_BILINEAR = {"mul", "mm", "mv", "bmm", "dot"}
_CONSTANT, _AFFINE, _OTHER = 0, 1, 2


_DENSE = 2**18
"""Matrices up to so many entries are multiplied densely: one operation instead of three."""


@dataclass(frozen=True)
class Entries:
    """The non-zero entries of a sparse `rows` × `columns` matrix: `coefficient[k]` at (`row[k]`, `column[k]`)."""

    rows: int
    columns: int
    row: Tensor
    column: Tensor
    coefficient: Tensor

    @staticmethod
    def of(matrix: Tensor) -> "Entries":
        row, column = torch.nonzero(matrix, as_tuple=True)
        return Entries(len(matrix), matrix.shape[1], row, column, matrix[row, column])

    @cached_property
    def _dense(self) -> dict[tuple[torch.device, torch.dtype], Tensor]:
        return {}

    def add(self, vectors: Tensor, to: Tensor) -> Tensor:
        """`to` `(rows,)` or `(batch, rows)` plus the products with `vectors` `(columns,)` or `(batch, columns)`."""
        if self.rows * self.columns <= _DENSE:
            if vectors.ndim == 1:
                return torch.addmv(to, self._transposed(vectors).T, vectors)
            return torch.addmm(to, vectors, self._transposed(vectors))
        row, column = self.row.to(vectors.device), self.column.to(vectors.device)
        products = vectors[..., column] * self.coefficient.to(vectors)
        return to + products.new_zeros((*vectors.shape[:-1], self.rows)).index_add(-1, row, products)

    def _transposed(self, like: Tensor) -> Tensor:
        key = (like.device, like.dtype)
        if key not in self._dense:
            dense = self.coefficient.new_zeros((self.columns, self.rows))
            dense[self.column, self.row] = self.coefficient
            self._dense[key] = dense.to(like)
        return self._dense[key]


@dataclass(frozen=True)
class AngleMap:
    """angles = constant + A·inputs + B·weights, and a traced torch graph for the angles that are not affine.

    `from_inputs[k]` says whether angle k depends on the inputs; the others are equal for a whole batch.
    `from_weights[k]`: whether it depends on any weight.
    """

    constant: Tensor
    inputs: Entries
    weights: Entries
    graph: GraphModule | None
    graph_rows: Tensor
    from_inputs: tuple[bool, ...]
    from_weights: tuple[bool, ...]

    @property
    def count(self) -> int:
        return len(self.constant)

    def trainable(self, inputs: bool, weights: Tensor) -> list[bool]:
        """Which angles a gradient reaches: through the inputs, if those have one, or through the `weights` `(weights,)`
        that are marked.
        """
        direct = set(self.weights.row[weights[self.weights.column]].tolist())
        others = set(self.graph_rows.tolist()) if weights.any() else set()
        return [
            (inputs and self.from_inputs[k]) or k in direct or (k in others and self.from_weights[k])
            for k in range(self.count)
        ]

    def __call__(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Angles in radians, `(batch, angles)`, of inputs `(batch, features)` and all weights `(weights,)`."""
        shared = self.weights.add(weights.to(inputs), self.constant.to(inputs))
        angles = self.inputs.add(inputs, shared)
        if self.graph is None:
            return angles
        others = torch.func.vmap(self.graph, in_dims=(0, None))(inputs.double(), weights.double())
        return angles.index_add(-1, self.graph_rows.to(inputs.device), torch.stack(others, -1).to(inputs))


def _nodes(value: object) -> list[Node]:
    if isinstance(value, Node):
        return [value]
    if isinstance(value, list | tuple):
        return [node for item in value for node in _nodes(item)]
    return []


def _is_floating(node: Node) -> bool:
    value = node.meta.get("val", node.meta.get("tensor_meta"))
    dtype = getattr(value, "dtype", None)
    return dtype is None or dtype.is_floating_point


def _name(node: Node) -> str:
    """`aten.add_.Tensor` to `add_`, `operator.getitem` to `getitem`."""
    packet = getattr(node.target, "overloadpacket", None)
    return packet.__name__ if packet is not None else getattr(node.target, "__name__", str(node.target))


def _classify(graph: Graph) -> dict[Node, int]:
    """How each node of the traced graph depends on the placeholders: not at all, affinely, or otherwise."""
    kind: dict[Node, int] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            kind[node] = _AFFINE
            continue
        if node.op != "call_function":
            kind[node] = _CONSTANT
            continue
        of_arguments = [kind[argument] for argument in node.all_input_nodes]
        worst = max(of_arguments, default=_CONSTANT)
        name = _name(node)
        dependent = [n for a in node.args for n in _nodes(a) if kind[n] != _CONSTANT]
        if worst != _AFFINE:
            kind[node] = worst
        elif (
            name in _LINEAR
            or (name == "_to_copy" and _is_floating(node))
            or (name in _BILINEAR and len(dependent) == 1)
            or (name == "div" and dependent == _nodes(node.args[0]))
        ):
            kind[node] = _AFFINE
        else:
            kind[node] = _OTHER
    return kind


def _ancestors(node: Node) -> set[Node]:
    found: set[Node] = set()
    pending = [node]
    while pending:
        for argument in pending.pop().all_input_nodes:
            if argument not in found:
                found.add(argument)
                pending.append(argument)
    return found


def _restrict(module: GraphModule, keep: Sequence[int]) -> GraphModule:
    """The same graph with only the outputs `keep`."""
    graph = Graph()
    values: dict[Node, Node] = {}
    output = graph.graph_copy(module.graph, values)
    graph.output([output[i] for i in keep])  # type: ignore[index]
    graph.eliminate_dead_code()
    return GraphModule(module, graph)


def angle_map(module: GraphModule, features: int, weights: int) -> AngleMap:
    """Split a traced function (inputs `(features,)`, weights `(weights,)`) → list of scalars into an AngleMap.

    Whether an angle is affine is read off the graph's operations, not guessed from sample values.
    """
    kind = _classify(module.graph)
    placeholders = [node for node in module.graph.nodes if node.op == "placeholder"]
    (output,) = [node for node in module.graph.nodes if node.op == "output"]
    results: list[Node] = list(output.args[0])
    affine = [i for i, node in enumerate(results) if kind[node] != _OTHER]
    others = [i for i, node in enumerate(results) if kind[node] == _OTHER]

    constant = torch.zeros(len(results), dtype=torch.float64)
    by_input = torch.zeros((len(results), features), dtype=torch.float64)
    by_weight = torch.zeros((len(results), weights), dtype=torch.float64)
    if affine:
        values = _stacked(_restrict(module, affine))
        zeros = (torch.zeros(features, dtype=torch.float64), torch.zeros(weights, dtype=torch.float64))
        constant[affine] = values(*zeros)
        jacobian = torch.func.jacrev(values, argnums=(0, 1), chunk_size=256)(*zeros)
        by_input[affine], by_weight[affine] = jacobian
    reaches = [
        {i: place in _ancestors(results[i]) or results[i] is place for i in others} for place in placeholders
    ]
    return AngleMap(
        constant,
        Entries.of(by_input),
        Entries.of(by_weight),
        _restrict(module, others) if others else None,
        torch.tensor(others, dtype=torch.long),
        tuple(reaches[0].get(i, bool(by_input[i].any())) for i in range(len(results))),
        tuple(reaches[1].get(i, bool(by_weight[i].any())) for i in range(len(results))),
    )


def _stacked(module: GraphModule) -> Callable[[Tensor, Tensor], Tensor]:
    def values(inputs: Tensor, weights: Tensor) -> Tensor:
        return torch.stack([value.to(torch.float64) for value in module(inputs, weights)])

    return values
