"""What is traded: instruments as the broker states them, and the quotes used to size an order."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from shared.models.enums import Side


class InstrumentKind(StrEnum):
    FOREX = "forex"
    METAL = "metal"
    INDEX = "index"
    CRYPTO = "crypto"
    FUTURE = "future"
    STOCK = "stock"


class Instrument(Struct, frozen=True):
    """One tradable symbol of one broker. Prices step by `tick_size`, quantities by `qty_step`.

    `venue_symbol` is the broker's own name or id (always text), `symbol` what traders call it, `root` groups
    the months of a future (equal to `symbol` elsewhere). `contract_size` is units per lot or contract.
    `tick_value` is the profit, in `quote_currency`, of one tick on a quantity of 1. `pip_size` is None where a
    pip is not defined for this instrument (gold, indices, crypto, futures) and nobody configured one.
    `qty_unit` says what quantity 1 is: lots, contracts or units. `loss_tick_value` where the venue states another
    value for a losing tick (None = `tick_value`). `commission_per_unit` is the round turn of a quantity of 1 in
    account currency. `why` says how the symbol that was asked for came to mean it (empty = by its own name).
    """

    symbol: str
    venue_symbol: str
    root: str
    kind: InstrumentKind
    tick_size: Decimal
    tick_value: Decimal
    qty_step: Decimal
    qty_min: Decimal
    qty_max: Decimal
    contract_size: Decimal
    quote_currency: str
    qty_unit: str = "lots"
    base_currency: str | None = None
    pip_size: Decimal | None = None
    min_stop_distance: Decimal = Decimal(0)
    commission_per_unit: Decimal = Decimal(0)
    margin_per_unit: Decimal | None = None
    loss_tick_value: Decimal | None = None
    why: str = ""


class Ambiguous(Struct, frozen=True):
    """A symbol that several of the broker's names fit equally well: the trader decides (symbol_map), not we."""

    symbol: str
    candidates: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.symbol} could be {', '.join(self.candidates)}: choose one in the symbol map"


class Quote(Struct, frozen=True):
    """Best bid and ask at a moment (UTC). `source` says where it came from: 'broker' or 'ref_price'."""

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime
    source: str = "broker"

    def entry_price(self, side: Side) -> Decimal:
        """The price a market order of `side` would get: ask for a buy, bid for a sell."""
        return self.ask if side is Side.BUY else self.bid

    @property
    def spread(self) -> Decimal:
        return self.ask - self.bid
