"""The quantum part of a hybrid model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import pi, prod
from typing import Any

import pennylane as qml
import torch
from torch import Tensor, nn

from qcli.circuit.program import Program
from qcli.circuit.trace import trace
from qcli.errors import QcliError
from qcli.simulate.executor import current


class QuantumLayer(nn.Module):
    """A PennyLane quantum function as a torch module: `(..., features)` to `(..., outputs)`.

    `circuit(inputs, **weights)` is an ordinary quantum function, or a QNode around one, that returns
    `qml.expval(...)`s or `qml.probs(...)`. `weight_shapes` maps its other arguments to shapes, as in
    `qml.qnn.TorchLayer`; weights start uniformly in [0, 2π) unless `init` (a function that fills a tensor in
    place) is given. The circuit is traced once per number of features; every forward pass computes the angles
    in torch and hands them to the current executor.
    """

    def __init__(
        self,
        circuit: Callable[..., Any],
        weight_shapes: Mapping[str, int | Sequence[int]] | None = None,
        init: Callable[[Tensor], Any] | None = None,
    ) -> None:
        super().__init__()
        self.circuit = _quantum_function(circuit)
        self.weight_shapes = {
            name: (shape,) if isinstance(shape, int) else tuple(shape)
            for name, shape in (weight_shapes or {}).items()
        }
        self.weights = nn.ParameterDict()
        for name, shape in self.weight_shapes.items():
            parameter = nn.Parameter(torch.empty(shape))
            with torch.no_grad():
                (init or (lambda tensor: nn.init.uniform_(tensor, 0.0, 2.0 * pi)))(parameter)
            self.weights[name] = parameter
        self._programs: dict[int, Program] = {}
        self.name = f"quantum layer {getattr(self.circuit, '__name__', 'circuit')!r}"
        """How errors call this layer; `load.build_model` gives its place in the model."""

    @classmethod
    def adopt(cls, layer: "qml.qnn.TorchLayer") -> "QuantumLayer":
        """A QuantumLayer with the quantum function and the very weights of PennyLane's TorchLayer."""
        function = _quantum_function(layer.qnode)
        adopted = cls(
            lambda inputs, **weights: function(**{layer.input_arg: inputs}, **weights),
            {name: tuple(weight.shape) for name, weight in layer.qnode_weights.items()},
        )
        adopted.circuit.__name__ = getattr(function, "__name__", "circuit")
        adopted.weights.update(layer.qnode_weights)
        return adopted

    def program(self, features: int) -> Program:
        """The circuit traced for inputs of shape `(features,)`."""
        if features not in self._programs:
            self._programs[features] = trace(self.circuit, features, self.weight_shapes)
        return self._programs[features]

    def share_programs(self, programs: dict[int, Program]) -> None:
        """Use these circuits, by number of features, and add to them."""
        self._programs = programs

    @property
    def programs(self) -> tuple[Program, ...]:
        """The circuits traced so far."""
        return tuple(self._programs.values())

    def flat_weights(self) -> Tensor:
        """All weights, flattened and concatenated: `(weights,)`."""
        flat = [self.weights[name].reshape(prod(shape)) for name, shape in self.weight_shapes.items()]
        return torch.cat(flat) if flat else torch.zeros(0)

    def forward(self, inputs: Tensor) -> Tensor:
        features = inputs.shape[-1]
        program = self.program(features)
        flat = inputs.reshape(-1, features)
        angles = program.angle_map(flat, self.flat_weights())
        if not torch.isfinite(angles.detach().sum()) and not torch.isfinite(angles).all():
            raise self._not_finite(flat)
        outputs = current().run(program, angles)
        return outputs.reshape(*inputs.shape[:-1], program.outputs)

    def _not_finite(self, inputs: Tensor) -> QcliError:
        names = [
            f"weights {name!r}" for name, weight in self.weights.items() if not torch.isfinite(weight).all()
        ]
        if not torch.isfinite(inputs).all():
            names.append("inputs")
        return QcliError(
            f"NaN or infinite angles in {self.name}, from its {' and '.join(names) or 'circuit'}",
            "the forward pass",
            "lower --lr, check the data's scale and the layers in front",
        )


def _quantum_function(circuit: Callable[..., Any]) -> Callable[..., Any]:
    """The function inside a QNode; its device is left aside, since the executor takes that place."""
    if not isinstance(circuit, qml.QNode):
        return circuit
    if len(circuit.compile_pipeline):
        raise QcliError(
            f"the QNode {circuit.func.__name__} carries transforms, which would be lost",
            f"{circuit.compile_pipeline}",
            "give the quantum function without transforms, or apply them inside it",
        )
    return circuit.func


def adopt_torch_layers(model: nn.Module) -> nn.Module:
    """Replace every PennyLane TorchLayer inside `model` by a QuantumLayer with the same circuit and weights."""
    if isinstance(model, qml.qnn.TorchLayer):
        return QuantumLayer.adopt(model)
    for name, child in model.named_children():
        adopted = adopt_torch_layers(child)
        if adopted is not child:
            setattr(model, name, adopted)
    return model


def quantum_layers(model: nn.Module) -> Iterator[QuantumLayer]:
    """The quantum layers of a model, in the order of its modules."""
    return (module for module in model.modules() if isinstance(module, QuantumLayer))
