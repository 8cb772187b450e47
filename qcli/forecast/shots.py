"""How many shots a device takes."""

from qcli.device.record import Device
from qcli.price.plans import check_within, shots_range
from qcli.price.sheet import load_sheets


def shots_taken(device: Device) -> tuple[int, int | None]:
    """The fewest and the most shots of a circuit, None where the most is not known.

    By the price sheets, and for a device without a price by its record.
    """
    priced = load_sheets().devices.get(device.key)
    return shots_range(priced) if priced else device.shots or (1, None)


def check_shots(shots: int, device: Device) -> None:
    """Refuse what the device does not take.

    Raises:
        QcliError: with the range.
    """
    check_within(shots, shots_taken(device), device.key)
