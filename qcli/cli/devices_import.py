"""`qcli devices import` and `refresh`: newer calibrations into the user's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qcli.device.record import Device


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="GetDevice's JSON, or IBM's properties.", show_default=False),
    ],
    name: Annotated[
        str | None, typer.Option(help="Short name, such as garnet, if the file does not tell.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="IBM's configuration; default conf_NAME.json by props_NAME.json."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Keep it though a newer one, or another kind of device, is known by this name."
        ),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Read a vendor's calibration file and keep it in your own folder, over the bundled record of that device.

    Files: Amazon Braket's GetDevice response or the device capabilities in it; IBM's backend properties with the
    configuration. Deleting the written file undoes the import.

    \b
    aws braket get-device --device-arn ARN > garnet.json
    qcli devices import garnet.json
    qcli devices import props_fez.json --config conf_fez.json
    """
    from qcli.cli.console import note
    from qcli.device.catalogue import fault
    from qcli.device.vendor_file import check_kind, keep, read_vendor_file

    device = read_vendor_file(file, name, config)
    if not force:
        check_kind(device)
    damage = fault(device.key)
    path = keep(device, force)
    if damage:
        note(f"replaced the record so far, which could not be used: {damage.what}")
    if json_:
        _print_json({path: device})
    else:
        typer.echo(_found(device, path))


def refresh(
    devices: Annotated[
        list[str] | None, typer.Argument(help="Which, such as braket/garnet; default all in service.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Read today's calibration from the vendors' services, where credentials are set, and keep it in your folder.

    Costs nothing: only device properties are read. Never run against the live services by its authors.

    \b
    qcli devices refresh
    qcli devices refresh braket/garnet ibm/fez
    """
    from qcli.cli.console import note
    from qcli.device import live
    from qcli.device.catalogue import find
    from qcli.device.vendor_file import keep
    from qcli.errors import QcliError

    asked = [find(name).key for name in devices or []]
    keys = asked or [device.key for device in readable() if device.status != "retired"]
    wanted = dict.fromkeys(key.partition("/")[0] for key in keys)
    missing = [provider for provider in wanted if not live.has_credentials(provider)]
    if missing and (asked or len(missing) == len(wanted)):
        raise live.no_credentials(*missing)
    written: dict[Path, Device] = {}
    failed: QcliError | None = None
    for key in keys:
        if key.partition("/")[0] in missing:
            continue
        try:
            device = live.refreshed(key)
            path = keep(device)
        except QcliError as error:
            failed = error
            note(f"{key}: {error.what}")
        else:
            written[path] = device
            if not json_:
                typer.echo(_found(device, path))
    if missing:
        note(f"left out: {live.no_credentials(*missing).what}")
    if json_:
        _print_json(written)
    if failed:
        raise QcliError(
            f"{len(written)} of {len(keys)} devices were refreshed", failed.where, failed.fix, exit_code=1
        )


def readable() -> list[Device]:
    """The devices of the catalogue; of a record that cannot be read, a note says how to mend it."""
    from qcli.cli.console import note
    from qcli.device.catalogue import catalogue, fault

    faults = {name: fault(name) for name in catalogue()}
    for name, error in faults.items():
        if error:
            note(f"left out: {name}: {error.what} ({error.where}); {error.fix}")
    return [catalogue()[name] for name, error in faults.items() if not error]


def _found(device: Device, path: Path) -> str:
    """What an import brought, and where it is now."""
    lost = [q.id for q in device.qubits if not q.calibrated]
    absent = f" (absent: {', '.join(map(str, lost))})" if lost else ""
    edges = f"{len(device.usable_edges)} of {len(device.edges)} couplers"
    return (
        f"{device.key}, calibrated on {device.calibrated_on}: {device.qubit_count} of {len(device.qubits)} qubits"
        f"{absent} and {edges} are calibrated\nwritten: {path}"
    )


def _print_json(written: dict[Path, Device]) -> None:
    import json

    rows = [
        {
            "device": device.key,
            "calibrated_on": device.calibrated_on.isoformat(),
            "qubits": device.qubit_count,
            "edges": len(device.usable_edges),
            "path": str(path),
        }
        for path, device in written.items()
    ]
    typer.echo(json.dumps({"schema": "qcli.devices-written/1", "devices": rows}, indent=1))
