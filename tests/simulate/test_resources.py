"""What the engine takes of the machine: memory, and compiled code that survives interruptions."""

import os
import subprocess
import sys
import textwrap

STATE_20 = 2**20 * 8


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_gradient_on_20_wires_takes_less_than_four_state_vectors():
    grown = run(
        """
        import re
        import pennylane as qml, torch
        from pathlib import Path
        from qcli import QuantumLayer

        def peak():
            return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

        def gradient(wires):
            def circuit(inputs, weights):
                qml.AngleEmbedding(inputs, wires=range(wires))
                qml.BasicEntanglerLayers(weights, wires=range(wires))
                return [qml.expval(qml.Z(wire)) for wire in range(wires)]
            QuantumLayer(circuit, {"weights": (2, wires)})(torch.rand(1, wires)).sum().backward()

        gradient(14)  # the kernels and all libraries are loaded then
        before = peak()
        gradient(20)
        print(peak() - before)
        """
    )
    assert 0 < int(grown) <= 4 * STATE_20


KERNEL = """
    import sys
    sys.path.insert(0, {folder!r})
    import logging
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    from tiny import twice
    print(twice(21))
"""


def test_a_damaged_cache_of_compiled_code_is_made_anew(tmp_path):
    (tmp_path / "tiny.py").write_text(
        "from qcli.simulate.jit import kernel\n\n\n@kernel\ndef twice(x):\n    return 2 * x\n"
    )
    cache = tmp_path / "cache"
    program = KERNEL.format(folder=str(tmp_path))
    assert run(program, NUMBA_CACHE_DIR=str(cache)) == "42\n"
    whole = {file: file.read_bytes() for file in cache.rglob("*.nb?")}
    assert len(whole) == 2
    for file, content in whole.items():
        file.write_bytes(content[: len(content) // 2])
        assert run(program, NUMBA_CACHE_DIR=str(cache)) == "42\n"
        assert {f.stat().st_size for f in cache.rglob("*.nb?")} == {len(c) for c in whole.values()}


def test_without_a_folder_to_write_to_kernels_are_compiled_all_the_same(tmp_path):
    (tmp_path / "tiny.py").write_text(
        "from qcli.simulate.jit import kernel\n\n\n@kernel\ndef twice(x):\n    return 2 * x\n"
    )
    blocked = tmp_path / "file"
    blocked.write_text("")
    program = KERNEL.format(folder=str(tmp_path))
    assert run(program, NUMBA_CACHE_DIR=str(blocked / "cache")) == "42\n"
