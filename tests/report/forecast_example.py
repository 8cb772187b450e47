"""Forecasts as `qcli forecast` and an estimate write them; the figures are made up."""

from typing import Any


def interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def foreseen(device: str, accuracy: float = 0.941, age_days: int = 199) -> dict[str, Any]:
    """What an estimate holds of a forecast; simulation classifies 47 of 48 right."""
    lost = 47 / 48 - accuracy
    return {
        "accuracy": interval(accuracy, accuracy - 0.062, min(1.0, accuracy + 0.041)),
        "degradation": interval(lost, lost - 0.041, lost + 0.062),
        "flips": interval(0.052, 0.011, 0.113),
        "guess": 0.952,
        "as_published": 0.967,
        "contrast": 0.72,
        "age_days": age_days,
        "calibrated_on": "2026-02-18",
        "stale": age_days > 7,
        "stand_in": None,
        "basis": "fitted on 68 public results" if device.startswith("ibm/") else "assumed: IBM's factor",
    }


def why() -> dict[str, Any]:
    parts = {
        "two-qubit gates": (0.030, 0.051),
        "readout": (0.012, 0.021),
        "layout": (-0.008, -0.012),
        "shot noise": (0.004, 0.023),
    }
    return {
        "parts": [{"source": name, "accuracy": a, "outputs": o} for name, (a, o) in parts.items()],
        "accuracy": 0.038,
        "outputs": 0.083,
        "advice": "first two-qubit gates: fewer layers",
    }


def technique(name: str, gained: float, usd: str, remark: str = "") -> dict[str, Any]:
    return {
        "technique": name,
        "offered": True,
        "remark": remark,
        "accuracy": interval(0.941 + gained, 0.92 + gained, 0.96 + gained),
        "regained": interval(gained, gained - 0.011, gained + 0.011),
        "error": interval(0.083 - gained, 0.08 - gained, 0.086 - gained),
        "removed": interval(gained, gained, gained),
        "extra_usd": usd,
        "extra_s": [0.0, 0.0] if usd == "0" else [1.17, 164.0],
    }


def mitigation() -> dict[str, Any]:
    absent = dict.fromkeys(("accuracy", "regained", "error", "removed", "extra_usd", "extra_s"))
    return {
        "device": "braket/garnet",
        "inferences": 48,
        "shots": 512,
        "runs": 100,
        "simulated": 47 / 48,
        "usd": "35.93520",
        "rows": [
            technique("none", 0.0, "0"),
            technique("readout", 0.021, "1.48480"),
            technique("zne=1,3", -0.004, "35.63520", "extrapolated along a line"),
            {"technique": "dd", "offered": False, "remark": "not offered on Braket devices", **absent},
        ],
        "best": "readout",
        "verdict": "readout: regains 2.1 points of accuracy for 1.48 USD more",
    }


def forecast(device: str = "braket/garnet", accuracy: float = 0.941, **changed: Any) -> dict[str, Any]:
    fitted = device.startswith("ibm/")
    found = foreseen(device, accuracy)
    basis = found.pop("basis")
    return {
        "schema": "qcli.forecast/1",
        "created": "2026-03-01T10:07:00+00:00",
        "run": "qcnn-digits-20260301",
        "model": "qcnn",
        "device": device,
        "on": "2026-09-05",
        "inferences": 48,
        "shots": 512,
        "simulated": 47 / 48,
        **found,
        "believe": "Believe the forecast." if fitted else "Try a few samples first.",
        "gate_times": "published" if fitted else "assumed",
        "optimism": {"gates": 1.7, "readout": 0.5, "zeros": 0.5 if fitted else 1.0, "basis": basis},
        "log_sd": {"between_devices": 0.3, "day_to_day": 0.25, "drift": 0.1, "layout": 0.2},
        "layouts": 5,
        "why": None,
        "mitigation": None,
        "classes": ["0", "1"],
        "samples": [{"index": 3, "label": 1, "simulated": 1, "flips": 0.02, "right": 0.98}],
    } | changed


def forecasts() -> dict[str, Any]:
    """The answer of `qcli forecast RUN`."""
    rows = [
        forecast(why=why(), mitigation=mitigation()),
        forecast("braket/forte-enterprise-1", 0.952, age_days=3),
        forecast("ibm/fez", 0.972),
        {"device": "braket/ibex-q1", "note": "12 wires, but only 10 qubits"},
    ]
    return {"schema": "qcli.forecast/1", "run": "qcnn-digits-20260301", "model": "qcnn", "rows": rows}
