"""From a checked price sheet to the terms of a device."""

from decimal import Decimal

from qcli.price.schema import Cited, Device, PerTaskPrice, Sheet, TimeRule, cited
from qcli.price.tariff import ProgramSets, Queue, Quote, Rule, Terms, weakest


def terms_of(sheet: Sheet, name: str, contract: str | None, contracts: tuple[str, ...]) -> Terms:
    """The terms of one device under `contract`, one of the `contracts` that cover it."""
    device = sheet.devices[name]
    quotes = tuple(
        _quote(sheet, key + suffix, value, unit, figure)
        for key, figure in cited(device)
        for suffix, value, unit in figure.parts()
    )
    bill = [quote for quote in quotes if quote.key.startswith("price.")]
    sets, shots, gates = device.program_sets, device.shots, device.gates
    allowance = sheet.contracts[contract].allowance if contract else None
    return Terms(
        name=f"{sheet.provider}/{name}",
        provider=sheet.provider,
        full_name=device.full_name,
        kind=device.kind,
        status=device.availability.status,
        retired_on=device.availability.retired_on,
        qubits=device.availability.qubits,
        shots_min=shots.min if shots else None,
        shots_max=shots.max if shots else None,
        gates_max=gates.max if gates else None,
        gates_max_reserved=gates.max_reserved if gates else None,
        debias_min_shots=int(device.debias.value) if device.debias else None,
        price=device.price.terms(),
        contract=contract,
        contracts=contracts,
        allowance_s=allowance.value if allowance else None,
        program_set=ProgramSets(sets.max_executables, sets.max_total_shots, sets.confirmed_support)
        if sets
        else None,
        reservation=_hourly(device),
        instance=(device.instance.name, device.instance.value) if device.instance else None,
        session_idle_s=device.session_idle.value if device.session_idle else None,
        machine_time=tuple(_rule(sheet, rule) for rule in device.machine_time),
        rule_of_thumb=_rule(sheet, device.rule_of_thumb) if device.rule_of_thumb else None,
        queue=_queue(sheet, device),
        compile_as=device.compile_as or f"{sheet.provider}/{name}",
        source="; ".join(dict.fromkeys(quote.source for quote in bill)),
        verified_on=min(quote.verified_on for quote in bill),
        basis=weakest([quote.basis for quote in bill]),
        notes=device.notes,
        quotes=quotes,
    )


def _quote(sheet: Sheet, key: str, value: Decimal, unit: str, figure: Cited) -> Quote:
    source = sheet.sources[figure.source]
    if figure.confirmed is None:
        return Quote(key, value, unit, source.title, source.verified_on, figure.basis, figure.note)
    later = sheet.sources[figure.confirmed]
    title = f"{source.title}; the same in {later.title}"
    return Quote(
        key, value, unit, title, max(source.verified_on, later.verified_on), figure.basis, figure.note
    )


def _rule(sheet: Sheet, rule: TimeRule) -> Rule:
    return Rule(rule.what, rule.per_task_s, rule.per_shot_s, rule.basis, sheet.sources[rule.source].title)


def _hourly(device: Device) -> Decimal | None:
    if device.reservation is None:
        return None
    return (
        device.price.usd(device.reservation)
        if isinstance(device.price, PerTaskPrice)
        else device.reservation.value
    )


def _queue(sheet: Sheet, device: Device) -> Queue | None:
    if (seen := device.queue) is None:
        return None
    title = sheet.sources[seen.source].title
    return Queue(float(seen.low_s), float(seen.high_s), seen.what, seen.basis, title)
