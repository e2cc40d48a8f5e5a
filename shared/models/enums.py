"""The closed vocabularies of the product. Each equals a Postgres enum of the same name in schema `public`
(a test compares them), so one word means one thing in SQL, Python, TypeScript and on screen."""

from enum import StrEnum


class Broker(StrEnum):
    TRADELOCKER = "tradelocker"
    TOPSTEPX = "topstepx"
    METATRADER = "metatrader"
    PAPER = "paper"


class Action(StrEnum):
    """What an alert asks for (semantics: docs/alerts.md)."""

    OPEN = "open"
    ADD = "add"
    CLOSE = "close"
    REDUCE = "reduce"
    REVERSE = "reverse"
    TARGET = "target"
    CANCEL = "cancel"
    MODIFY = "modify"
    FLATTEN = "flatten"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class QtyMode(StrEnum):
    LOTS = "lots"
    UNITS = "units"
    CONTRACTS = "contracts"
    RISK_PCT = "risk_pct"
    RISK_USD = "risk_usd"
    EQUITY_PCT = "equity_pct"
    NOTIONAL = "notional"
    POSITION_PCT = "position_pct"


class StopMode(StrEnum):
    """How a stop-loss or take-profit is given. `rr` is for take-profits only."""

    PRICE = "price"
    OFFSET = "offset"
    PIPS = "pips"
    TICKS = "ticks"
    PCT = "pct"
    USD = "usd"
    RR = "rr"
    NONE = "none"


class Tif(StrEnum):
    GTC = "gtc"
    DAY = "day"
    GTD = "gtd"
    IOC = "ioc"
    FOK = "fok"


class MarginMode(StrEnum):
    NETTING = "netting"
    HEDGING = "hedging"


class Freshness(StrEnum):
    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "unknown"


class Lane(StrEnum):
    NORMAL = "normal"
    URGENT = "urgent"


class OnSame(StrEnum):
    ADD = "add"
    IGNORE = "ignore"


class OnOpposite(StrEnum):
    REFUSE = "refuse"
    REVERSE = "reverse"
    CLOSE = "close"
    HEDGE = "hedge"


class Scope(StrEnum):
    """Which positions an exit means on a hedging account: this endpoint's, or every one of the symbol."""

    ENDPOINT = "endpoint"
    SYMBOL = "symbol"


class CommandKind(StrEnum):
    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"
    CLOSE = "close"
    PROTECT = "protect"


class CommandState(StrEnum):
    PENDING = "pending"
    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    CANCELED = "canceled"
    EXPIRED = "expired"


class OrderStatus(StrEnum):
    PENDING = "pending"
    SUBMITTING = "submitting"
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class DeliveryStatus(StrEnum):
    QUEUED = "queued"
    CLAIMED = "claimed"
    DONE = "done"
    DEAD = "dead"


class DeliveryOutcome(StrEnum):
    EXECUTED = "executed"
    DENIED = "denied"
    REJECTED = "rejected"
    INVALID = "invalid"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class NotificationKind(StrEnum):
    EMAIL = "email"
    TELEGRAM = "telegram"
    DISCORD = "discord"
    SLACK = "slack"
    WEBHOOK = "webhook"


class NotificationClass(StrEnum):
    """What a message is about. Quiet hours never hold back those from EXIT_FAILED to CREDENTIALS."""

    EXECUTED = "executed"
    DENIED = "denied"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    EXIT_FAILED = "exit_failed"
    UNKNOWN = "unknown"
    NAKED = "naked"
    BREACH = "breach"
    OFFLINE = "offline"
    CREDENTIALS = "credentials"
    POSITION = "position"
    GAP = "gap"
    SECURITY = "security"
    TEST = "test"


class NotificationStatus(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    DROPPED = "dropped"


class Effect(StrEnum):
    OPEN = "open"
    CLOSE = "close"


class Stage(StrEnum):
    """The road of one alert, in order; also the stage names of a delivery's trace."""

    INGEST = "ingest"
    CLAIM = "claim"
    PARSE = "parse"
    RESOLVE = "resolve"
    SIZE = "size"
    RISK = "risk"
    FIT = "fit"
    WRITE = "write"
    EXECUTE = "execute"
    RECORD = "record"
    SETTLE = "settle"
