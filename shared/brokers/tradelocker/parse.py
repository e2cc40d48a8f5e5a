"""Instruments, prices and accounts of TradeLocker as our models. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shared import codec
from shared.brokers import symbols
from shared.brokers.errors import UnreadableError
from shared.brokers.session import Session
from shared.brokers.tradelocker.rows import identifier, number, number_or_none, reading
from shared.models.market import Instrument, InstrumentKind, Quote

NO_MAXIMUM = Decimal(10) ** 9
"""`maxLot` null: the broker names none."""
_KINDS = {
    "FOREX": InstrumentKind.FOREX,
    "CRYPTO": InstrumentKind.CRYPTO,
    "INDICES": InstrumentKind.INDEX,
    "FUTURES": InstrumentKind.FUTURE,
    "FUTURES_CFD": InstrumentKind.INDEX,
}


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One account of a login: `id` goes into paths, `acc_num` into the header."""

    id: str
    acc_num: str
    name: str
    currency: str
    status: str
    balance: Decimal | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What an account may do, as its broker has set it."""

    brackets: bool
    partial_close: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of the instrument list. `key` names it in a leg: its name, or the id where two share one."""

    id: str
    name: str
    symbol: str
    key: str
    kind: str
    trade_route: int | None
    info_routes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says about itself. `server` None = it does not say."""

    expires_at: datetime
    server: str | None
    subject: str


def session(data: Any) -> Session:
    """The answer of a login or a refresh."""

    def read() -> Session:
        access, refresh = str(data["accessToken"]), str(data["refreshToken"])
        return Session(access, refresh, claims(access).expires_at)

    return reading("tokens", read)


def claims(token: str) -> Claims:
    """The claims inside a token. Not a check: the token came from the broker itself, over TLS."""

    def read() -> Claims:
        payload = token.split(".")[1]
        found = codec.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        subject = str(found.get("sub", ""))
        server, _, _ = subject.rpartition("#")
        return Claims(datetime.fromtimestamp(int(found["exp"]), UTC), server or None, subject)

    try:
        return reading("token", read)
    except (binascii.Error, codec.NotReadable) as error:
        raise UnreadableError(f"token: {error}") from error


def accounts(data: Any) -> list[AccountEntry]:
    """The answer of all-accounts, where everything is text."""

    def read() -> list[AccountEntry]:
        return [
            AccountEntry(
                id=identifier(each["id"]),
                acc_num=identifier(each["accNum"]),
                name=str(each.get("name", "")),
                currency=str(each["currency"]),
                status=str(each.get("status", "")),
                balance=number_or_none(each.get("accountBalance")),
            )
            for each in data["accounts"]
        ]

    return reading("all-accounts", read)


def account_ids(data: Any) -> tuple[str, ...]:
    """The ids in `d` of /trade/accounts: which account the accNum header really names."""
    return reading("accounts", lambda: tuple(identifier(each["id"]) for each in _listed(data)))


def rules(data: Any) -> Rules:
    """`tradingRules` of the account; what is not said is allowed."""

    def read() -> Rules:
        said = (_listed(data)[0].get("tradingRules")) or {}
        return Rules(
            brackets=said.get("supportBrackets", True) is not False,
            partial_close=said.get("supportPartialClosePosition", True) is not False,
        )

    return reading("accounts", read)


def _listed(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [data]


def listings(data: Any) -> list[Listing]:
    """`d` of /instruments."""

    def read() -> list[Listing]:
        rows = data["instruments"]
        names = [str(each["name"]) for each in rows]
        called = symbols.canonical(names)
        return [_listing(each, called, names) for each in rows]

    return reading("instruments", read)


def _listing(row: Any, called: dict[str, str], names: Sequence[str]) -> Listing:
    own, name = identifier(row["tradableInstrumentId"]), str(row["name"])
    single = names.count(name) == 1
    routes = [(str(each["type"]), int(each["id"])) for each in row["routes"]]
    return Listing(
        id=own,
        name=name,
        symbol=called[name] if single else f"{name}#{own}",
        key=name if single else own,
        kind=str(row.get("type") or ""),
        trade_route=next((route for kind, route in routes if kind == "TRADE"), None),
        info_routes=tuple(route for kind, route in routes if kind == "INFO"),
    )


def instrument(listing: Listing, data: Any, price: Decimal | None) -> Instrument:
    """`d` of /trade/instruments/{id}. `price` chooses among several tick sizes (None: the coarsest).

    The value of a tick is lot size x tick, in the quote currency: the broker's own `tickCost` may be 0.
    """

    def read() -> Instrument:
        tick, lot = _tick_size(data["tickSize"], price), number(data["lotSize"])
        step, least = number(data["lotStep"]), number(data["minLot"])
        core = symbols.core(listing.name) or listing.name.upper()
        pair = symbols.pair_of(core)
        quote = str(data["quotingCurrency"])
        kind = _kind(listing.kind, core)
        return Instrument(
            symbol=listing.symbol,
            venue_symbol=listing.key,
            root=listing.symbol,
            kind=kind,
            tick_size=tick,
            tick_value=tick * lot,
            qty_step=step,
            qty_min=least,
            qty_max=number_or_none(data.get("maxLot")) or NO_MAXIMUM,
            contract_size=lot,
            quote_currency=quote,
            qty_unit="lots",
            base_currency=pair[0] if pair else data.get("baseCurrency") or None,
            pip_size=_pip(quote) if kind is InstrumentKind.FOREX and pair else None,
        )

    return reading(f"instrument {listing.name}", read)


def _tick_size(tiers: Any, price: Decimal | None) -> Decimal:
    """Tiers begin at `leftRangeLimit` (null = from 0 on)."""
    steps = sorted(
        (number_or_none(each["leftRangeLimit"]) or Decimal(0), number(each["tickSize"])) for each in tiers
    )
    if price is None:
        return max(tick for _, tick in steps)
    return [tick for start, tick in steps if start <= price][-1]


def tiers(data: Any) -> int:
    """How many tick sizes an instrument has."""
    return reading("tickSize", lambda: len(data["tickSize"]))


def _pip(quote: str) -> Decimal:
    return Decimal("0.01") if quote == "JPY" else Decimal("0.0001")


def _kind(word: str, core: str) -> InstrumentKind:
    """Brokers file metals under FOREX or EQUITY_CFD, and indices too: the name knows better."""
    pair = symbols.pair_of(core)
    if pair is not None:
        return InstrumentKind.METAL if pair[0] in symbols.METALS else InstrumentKind.FOREX
    if core in ("GOLD", "SILVER"):
        return InstrumentKind.METAL
    known = _KINDS.get(word)
    if known is InstrumentKind.FOREX:
        known = InstrumentKind.INDEX
    return known or (InstrumentKind.INDEX if symbols.is_known(core) else InstrumentKind.STOCK)


def quote(symbol: str, data: Any, at: datetime) -> Quote | None:
    """`d` of /trade/quotes, which has no time of its own: `at` is when it was read."""

    def read() -> Quote | None:
        bid, ask = number_or_none(data.get("bp")), number_or_none(data.get("ap"))
        return Quote(symbol, bid, ask, at) if bid and ask else None

    return reading("quotes", read)
