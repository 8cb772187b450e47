"""How long an estimate on all devices takes, and its memory: python benchmarks/estimate.py [--model qcnn].

The goal is under 2 s for a million inferences, after the imports, the same memory for any number. The first estimate of
a process compiles the circuits for every device whose calibration is known; later ones only count. Each size is a
process of its own; memory is the peak of what Python allocates while counting, compilation left out.
"""

import argparse
import json
import subprocess
import sys
import time

SIZES = (10**3, 10**6, 10**9)


def measure(model: str, inferences: int) -> dict[str, float]:
    started = time.perf_counter()
    import tracemalloc

    import pennylane  # noqa: F401
    import qiskit  # noqa: F401
    import torch  # noqa: F401

    from qcli.price.document import document
    from qcli.price.estimate import Question, estimate
    from qcli.price.subject import subject_of

    imported = time.perf_counter()
    subject = subject_of(model, {})
    traced = time.perf_counter()
    document(estimate(subject, Question(inferences=inferences)))
    first = time.perf_counter()
    document(estimate(subject, Question(inferences=inferences)))
    again = time.perf_counter()
    tracemalloc.start()
    document(estimate(subject, Question(inferences=inferences)))
    return {
        "inferences": inferences,
        "imports_s": imported - started,
        "trace_s": traced - imported,
        "estimate_s": first - traced,
        "again_s": again - first,
        "peak_MB": tracemalloc.get_traced_memory()[1] / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="qcnn")
    parser.add_argument("--inferences", type=int)
    options = parser.parse_args()
    if options.inferences is not None:
        print(json.dumps(measure(options.model, options.inferences)))
        return
    for size in SIZES:
        command = [sys.executable, __file__, "--model", options.model, "--inferences", str(size)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        print("  ".join(f"{name} {value:,.3g}" for name, value in found.items()))


if __name__ == "__main__":
    main()
