"""What the paper broker trades, as data: currencies, futures, metals, indices, crypto, indicative rates."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

D = Decimal

# fmt: off
ISO_CURRENCIES = frozenset(
    [
        "AED", "AUD", "BRL", "CAD", "CHF", "CLP", "CNH", "CNY", "COP", "CZK", "DKK", "EUR", "GBP",
        "HKD", "HUF", "IDR", "ILS", "INR", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PEN", "PHP",
        "PLN", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "ZAR",
    ]
)
# fmt: on
COARSE_CURRENCIES = frozenset(["JPY", "HUF", "KRW", "IDR", "CLP", "COP"])
"""Pairs quoted in these have three decimals; pip 0.01 for JPY."""

# fmt: off
CRYPTO = frozenset(
    [
        "BTC", "XBT", "ETH", "SOL", "XRP", "ADA", "DOGE", "BNB", "LTC", "BCH", "DOT", "LINK",
        "AVAX", "MATIC", "POL", "TRX", "XLM", "UNI", "ATOM", "ETC", "NEAR", "APT", "ARB", "OP",
        "SUI", "TON", "SHIB", "PEPE", "FIL", "ICP", "INJ", "AAVE", "HBAR",
    ]
)
# fmt: on
CRYPTO_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD", "EUR", "GBP", "BTC", "ETH")
"""Longest first: BTCUSDT is quoted in USDT, not in T."""


class Future(Struct, frozen=True):
    """tick in price points, tick_value in `currency` per contract; `months` are the codes that trade.

    A month stops being the active contract on day `roll_day`, `roll_months` months before its own.
    """

    tick: Decimal
    tick_value: Decimal
    months: str
    roll_day: int
    roll_months: int
    currency: str = "USD"


_QUARTERS = "HMUZ"
_ALL = "FGHJKMNQUVXZ"

FUTURES: dict[str, Future] = {
    "ES": Future(D("0.25"), D("12.5"), _QUARTERS, 10, 0),
    "MES": Future(D("0.25"), D("1.25"), _QUARTERS, 10, 0),
    "NQ": Future(D("0.25"), D(5), _QUARTERS, 10, 0),
    "MNQ": Future(D("0.25"), D("0.5"), _QUARTERS, 10, 0),
    "YM": Future(D(1), D(5), _QUARTERS, 10, 0),
    "MYM": Future(D(1), D("0.5"), _QUARTERS, 10, 0),
    "RTY": Future(D("0.1"), D(5), _QUARTERS, 10, 0),
    "M2K": Future(D("0.1"), D("0.5"), _QUARTERS, 10, 0),
    "NKD": Future(D(5), D(25), _QUARTERS, 5, 0),
    "FDAX": Future(D(1), D(25), _QUARTERS, 14, 0, "EUR"),
    "FDXM": Future(D(1), D(5), _QUARTERS, 14, 0, "EUR"),
    "FESX": Future(D(1), D(10), _QUARTERS, 14, 0, "EUR"),
    "6E": Future(D("0.00005"), D("6.25"), _QUARTERS, 12, 0),
    "6B": Future(D("0.0001"), D("6.25"), _QUARTERS, 12, 0),
    "6J": Future(D("0.0000005"), D("6.25"), _QUARTERS, 12, 0),
    "6A": Future(D("0.00005"), D(5), _QUARTERS, 12, 0),
    "6C": Future(D("0.00005"), D(5), _QUARTERS, 12, 0),
    "6S": Future(D("0.00005"), D("6.25"), _QUARTERS, 12, 0),
    "M6E": Future(D("0.0001"), D("1.25"), _QUARTERS, 12, 0),
    "GC": Future(D("0.1"), D(10), "GJMQVZ", 26, 1),
    "MGC": Future(D("0.1"), D(1), "GJMQVZ", 26, 1),
    "SI": Future(D("0.005"), D(25), "HKNUZ", 26, 1),
    "SIL": Future(D("0.005"), D(5), "HKNUZ", 26, 1),
    "HG": Future(D("0.0005"), D("12.5"), "HKNUZ", 26, 1),
    "MHG": Future(D("0.0005"), D("1.25"), "HKNUZ", 26, 1),
    "PL": Future(D("0.1"), D(5), "FJNV", 26, 1),
    "CL": Future(D("0.01"), D(10), _ALL, 17, 1),
    "MCL": Future(D("0.01"), D(1), _ALL, 16, 1),
    "QM": Future(D("0.025"), D("12.5"), _ALL, 16, 1),
    "NG": Future(D("0.001"), D(10), _ALL, 24, 1),
    "RB": Future(D("0.0001"), D("4.2"), _ALL, 24, 1),
    "HO": Future(D("0.0001"), D("4.2"), _ALL, 24, 1),
    "ZN": Future(D("0.015625"), D("15.625"), _QUARTERS, 26, 1),
    "ZB": Future(D("0.03125"), D("31.25"), _QUARTERS, 26, 1),
    "ZF": Future(D("0.0078125"), D("7.8125"), _QUARTERS, 26, 1),
    "ZT": Future(D("0.00390625"), D("7.8125"), _QUARTERS, 26, 1),
    "ZC": Future(D("0.25"), D("12.5"), "HKNUZ", 26, 1),
    "ZS": Future(D("0.25"), D("12.5"), "FHKNQUX", 26, 1),
    "ZW": Future(D("0.25"), D("12.5"), "HKNUZ", 26, 1),
    "BTC": Future(D(5), D(25), _ALL, 24, 0),
    "MBT": Future(D(5), D("0.5"), _ALL, 24, 0),
    "ETH": Future(D("0.5"), D(25), _ALL, 24, 0),
    "MET": Future(D("0.5"), D("0.05"), _ALL, 24, 0),
}
MONTH_CODES = _ALL

METALS: dict[str, tuple[Decimal, Decimal]] = {
    "XAU": (D("0.01"), D(100)),
    "XAG": (D("0.001"), D(5000)),
    "XPT": (D("0.01"), D(100)),
    "XPD": (D("0.01"), D(100)),
}
"""tick size, units of a lot."""
METAL_NAMES = {"GOLD": "XAUUSD", "SILVER": "XAGUSD", "PLATINUM": "XPTUSD", "PALLADIUM": "XPDUSD"}

INDICES: dict[str, str] = {
    "US30": "USD", "DJ30": "USD", "WS30": "USD", "US100": "USD", "NAS100": "USD", "USTEC": "USD",
    "NDX": "USD", "NDX100": "USD", "US500": "USD", "SPX500": "USD", "SPX": "USD", "US2000": "USD",
    "RUSS2000": "USD", "GER40": "EUR", "DE40": "EUR", "DAX": "EUR", "GER30": "EUR", "DE30": "EUR",
    "EU50": "EUR", "STOXX50": "EUR", "FRA40": "EUR", "ESP35": "EUR", "UK100": "GBP", "JP225": "JPY",
    "JPN225": "JPY", "HK50": "HKD", "AUS200": "AUD", "VIX": "USD", "DXY": "USD", "USOIL": "USD",
    "UKOIL": "USD", "USOUSD": "USD", "NATGAS": "USD",
}  # fmt: skip
"""Contracts for difference on indices and energy: a lot is one unit of the index, in this currency."""

INDICATIVE_USD: dict[str, Decimal] = {
    "USD": D(1), "USDT": D(1), "USDC": D(1), "FDUSD": D(1), "BUSD": D(1), "EUR": D("1.10"),
    "GBP": D("1.28"), "JPY": D("0.0067"), "CHF": D("1.15"), "CAD": D("0.73"), "AUD": D("0.66"),
    "NZD": D("0.60"), "SEK": D("0.095"), "NOK": D("0.093"), "DKK": D("0.147"), "PLN": D("0.25"),
    "CZK": D("0.044"), "HUF": D("0.0027"), "SGD": D("0.75"), "HKD": D("0.128"), "CNH": D("0.14"),
    "CNY": D("0.14"), "ZAR": D("0.055"), "MXN": D("0.052"), "TRY": D("0.028"), "ILS": D("0.27"),
    "THB": D("0.029"), "INR": D("0.0118"), "BRL": D("0.18"),
}  # fmt: skip
"""US dollars per unit, round figures of our own: paper money is converted with them until the book has seen a
price of the pair itself. A currency that is not here cannot be converted, and the order is refused."""
