"""AWS's price file of Amazon Braket as published: its metadata, its columns, and prices of September 2026."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

HEADER = (
    "SKU",
    "OfferTermCode",
    "RateCode",
    "TermType",
    "PriceDescription",
    "EffectiveDate",
    "StartingRange",
    "EndingRange",
    "Unit",
    "PricePerUnit",
    "Currency",
    "Product Family",
    "serviceCode",
    "Location",
    "Location Type",
    "usageType",
    "operation",
    "Device Name",
    "DeviceName",
    "Region Code",
    "serviceName",
    "Version",
)
Row = Mapping[str, str]


def row(family: str, region: str, usd: str, unit: str, **columns: str) -> dict[str, str]:
    """One price; `columns` by name, with `_` for a space."""
    return {
        "TermType": "OnDemand",
        "PriceDescription": f'"{family}" in {region}, {usd} USD per {unit}',
        "EffectiveDate": "2026-08-01",
        "StartingRange": "0",
        "EndingRange": "Inf",
        "Unit": unit,
        "PricePerUnit": usd,
        "Currency": "USD",
        "Product Family": family,
        "serviceCode": "AmazonBraket",
        "Location Type": "AWS Region",
        "Region Code": region,
        "serviceName": "Amazon Braket",
    } | {name.replace("_", " "): text for name, text in columns.items()}


def qpu(
    device: str, region: str, shot: str, hour: str, reserved_as: str = "DeviceName"
) -> list[dict[str, str]]:
    """All rows of one QPU: on demand, reserved, and in hybrid jobs, whose prices are ten times as high here."""
    return [
        row("Quantum Task", region, "0.3000000000", "quantum-task", DeviceName=device),
        row("Quantum Task-Shot", region, shot, "quantum-shot", DeviceName=device),
        row("Quantum Reservation", region, hour, "hours", **{reserved_as: device}),
        row("Braket Managed Jobs QPU Task", region, "3.0000000000", "quantum-task", Device_Name=device),
        row("Braket Managed Jobs QPU Task Shot", region, f"1{shot}", "quantum-shot", Device_Name=device),
    ]


def simulator(name: str, region: str, minute: str) -> list[dict[str, str]]:
    """All rows of one simulator: on demand, failed, and in hybrid jobs."""
    return [
        row("Simulator Task", region, minute, "minutes", Version=name, operation="CompleteTask"),
        row("Simulator Task", region, "0.0000000000", "minutes", Version=name, operation="FailedTask"),
        row(
            "Braket Managed Jobs Simulator Task",
            region,
            f"1{minute}",
            "minutes",
            Version=name,
            operation="Managed-Jobs",
        ),
    ]


ROWS: tuple[Row, ...] = (
    *qpu("Ankaa-3", "us-west-1", "0.0009000000", "5750.0000000000"),
    *qpu("Aquila", "us-east-1", "0.0100000000", "2500.0000000000"),
    *qpu("Aria-1", "us-east-1", "0.0300000000", "7000.0000000000"),
    *qpu("Aria-2", "us-east-1", "0.0300000000", "7000.0000000000"),
    *qpu("Cepheus-1-108Q", "us-west-1", "0.0004250000", "4100.0000000000"),
    *qpu("Emerald", "eu-north-1", "0.0016000000", "4000.0000000000", reserved_as="Device_Name"),
    *qpu("Forte-1", "us-east-1", "0.0800000000", "7000.0000000000"),
    *qpu("Forte-Enterprise-1", "us-east-1", "0.0800000000", "7000.0000000000"),
    *qpu("Garnet", "eu-north-1", "0.0014500000", "3000.0000000000", reserved_as="Device_Name"),
    *qpu("IBEX-Q1", "eu-north-1", "0.0235000000", "4800.0000000000"),
    *qpu("Lucy", "eu-west-2", "0.0003500000", "2000.0000000000"),
    *(
        row
        for region in ("eu-west-2", "us-east-1", "us-west-1", "us-west-2")
        for name, minute in (("SV1", "0.0750000000"), ("DM1", "0.0750000000"), ("TN1", "0.2750000000"))
        for row in simulator(name, region, minute)
    ),
    row("Braket Managed Jobs Instance", "us-east-1", "0.0019200000", "minutes", operation="ml.m5.large"),
    row("Braket Managed Jobs Volume", "us-east-1", "0.1400000000", "GB-month"),
)
"""Also devices that are retired or that qcli has no sheet for."""


def price_file(
    rows: Iterable[Row] = ROWS, header: Sequence[str] = HEADER, published: str = "2026-09-11T17:21:04Z"
) -> str:
    """The text of a price file, every field quoted as AWS does."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(
        [
            ("FormatVersion", "v1.0"),
            ("Disclaimer", "This pricing list is for informational purposes only, ..."),
            ("Publication Date", published),
            ("Version", "20260911172104"),
            ("OfferCode", "AmazonBraket"),
            header,
        ]
    )
    for number, fields in enumerate(rows):
        sku = {
            "SKU": f"SKU{number:013d}",
            "OfferTermCode": "JRTCKXETXF",
            "RateCode": f"{number}.JRTCKXETXF.6YS6EN2CT7",
        }
        writer.writerow([{**sku, **fields}.get(column, "") for column in header])
    return text.getvalue()
