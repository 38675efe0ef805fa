"""What a call cost, part by part: from the carrier's bill, and from the configured rates for what was used.

Pure. A part without a rate has no amount: unknown is not 0. Amounts are decimals, as text.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from voicecall.call.outcome import Used
from voicecall.settings.model.reports import Rate

__all__ = ["cost_of"]

_SMALLEST: Final = Decimal("0.000001")
_NO_RATES: Final = Rate()


def cost_of(
    used: Iterable[Used],
    *,
    carrier: str,
    billed: Mapping[str, Any],
    connected_s: float,
    rates: Mapping[str, Rate],
    currency: str,
) -> dict[str, Any]:
    """`parts`, and `total` where every part has an amount, all in one currency.

    `billed`: `billedSeconds`, `price` and `currency` as far as the carrier has reported them. `connected_s`: how long
    the call was connected; without any connection a carrier is taken to charge what it reports, and nothing otherwise.
    """
    parts = [_carrier(carrier, billed, connected_s, rates.get(carrier, _NO_RATES), currency)]
    parts += [_service(each, rates.get(each.service, _NO_RATES), currency) for each in used]
    found = [part for part in parts if part]
    total = _total(found)
    return {"parts": found, **({"total": total} if total else {})}


def _carrier(
    name: str, billed: Mapping[str, Any], connected_s: float, rate: Rate, currency: str
) -> dict[str, Any] | None:
    seconds = billed.get("billedSeconds")
    part: dict[str, Any] = {"part": "carrier", "service": name, "seconds": round(connected_s, 3)}
    if seconds is not None:
        part["billedSeconds"] = seconds
    price, unit = billed.get("price"), billed.get("currency")
    if price is not None and unit is not None:
        return {**part, "amount": str(price), "currency": unit, "from": "carrier"}
    if rate.per_minute is not None:
        minutes = -(-round(seconds if seconds is not None else connected_s) // 60)
        return {**part, **_amount(_decimal(rate.per_minute) * minutes, currency)}
    return part if connected_s or seconds else None


def _service(used: Used, rate: Rate, currency: str) -> dict[str, Any]:
    part: dict[str, Any] = {"part": used.part, "service": used.service}
    match used.part:
        case "stt":
            part["seconds"] = round(used.seconds, 3)
            price = _times(rate.per_minute, Decimal(str(round(used.seconds, 3))) / 60)
        case "tts":
            part["characters"] = used.characters
            price = _times(rate.per_thousand_characters, Decimal(used.characters) / 1000)
        case _:
            part |= {"tokensIn": used.tokens_in, "tokensOut": used.tokens_out}
            into = _times(rate.per_million_tokens_in, Decimal(used.tokens_in) / 1_000_000)
            out = _times(rate.per_million_tokens_out, Decimal(used.tokens_out) / 1_000_000)
            price = None if into is None or out is None else into + out
    part |= {"isEstimate": True} if used.is_estimate else {}
    return part if price is None else {**part, **_amount(price, currency)}


def _total(parts: Iterable[Mapping[str, Any]]) -> dict[str, str] | None:
    amounts = [(part.get("amount"), part.get("currency")) for part in parts]
    units = {unit for _, unit in amounts}
    if not amounts or None in units or len(units) != 1:
        return None
    total = sum((Decimal(str(amount)) for amount, _ in amounts), Decimal(0))
    return {"amount": f"{total.normalize():f}", "currency": str(amounts[0][1])}


def _amount(price: Decimal, currency: str) -> dict[str, str]:
    amount = price.quantize(_SMALLEST, ROUND_HALF_UP).normalize()
    return {"amount": f"{amount:f}", "currency": currency, "from": "rate"}


def _times(price: float | None, quantity: Decimal) -> Decimal | None:
    return None if price is None else _decimal(price) * quantity


def _decimal(value: float) -> Decimal:
    return Decimal(str(value))
