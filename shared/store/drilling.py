"""What a drill asks of the database, over asyncpg: synthetic traders, and what they do and see. Nobody else's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared import codec
from shared.store.drill_rows import DrillResult, DrillRun, TwinLogin, TwinSeen
from shared.store.line import Line


class DrillCalls:
    """A part of PostgresStore."""

    def __init__(self, dsn: str, statement_cache_size: int) -> None:
        self._drilling = Line("drill", dsn, statement_cache_size)

    async def record_standings(self, *, accounts: Sequence[Mapping[str, Any]]) -> None:
        await self._drilling.call(
            "select engine.record_standings(p_accounts => $1)", codec.encode(accounts), repeat=True
        )

    async def claim_drill(self, *, worker: str, lease_ms: int) -> DrillRun | None:
        (answer,) = await self._drilling.call(
            "select engine.claim_drill(p_worker => $1, p_lease_ms => $2)", worker, lease_ms, repeat=False
        )
        return None if answer is None else codec.decode_as(DrillRun, answer)

    async def open_twin(self, *, run: int, token: int, twin: Mapping[str, Any]) -> bool:
        (answer,) = await self._drilling.call(
            "select engine.open_twin(p_run => $1, p_token => $2, p_twin => $3)",
            *(run, token, codec.encode(twin)),
            repeat=False,
        )
        return bool(answer)

    async def twin_accounts(self, *, run: int, token: int, connection: str) -> TwinLogin | None:
        (answer,) = await self._drilling.call(
            "select engine.twin_accounts(p_run => $1, p_token => $2, p_connection => $3)",
            *(run, token, connection),
            repeat=True,
        )
        return None if answer is None else codec.decode_as(TwinLogin, answer)

    async def arm_twin(self, *, run: int, token: int, account: str, values: Mapping[str, Any]) -> None:
        await self._drilling.call(
            "select engine.arm_twin(p_run => $1, p_token => $2, p_account => $3, p_values => $4)",
            *(run, token, account, codec.encode(values)),
            repeat=True,
        )

    async def twin_price(self, *, run: int, token: int, account: str, symbol: str, price: Decimal) -> None:
        await self._drilling.call(
            "select engine.twin_price(p_run => $1, p_token => $2, p_account => $3, p_symbol => $4, p_price => $5)",
            *(run, token, account, symbol, price),
            repeat=True,
        )

    async def twin_intent(
        self, *, run: int, token: int, account: str, intent: Mapping[str, Any], fired_at: datetime | None
    ) -> int:
        (answer,) = await self._drilling.call(
            "select engine.twin_intent(p_run => $1, p_token => $2, p_account => $3, p_intent => $4, p_fired_at => $5)",
            *(run, token, account, codec.encode(intent), fired_at),
            repeat=False,
        )
        return int(answer)

    async def twin_seen(self, *, run: int, token: int, account: str, event: int | None) -> TwinSeen:
        (answer,) = await self._drilling.call(
            "select engine.twin_seen(p_run => $1, p_token => $2, p_account => $3, p_event => $4)",
            *(run, token, account, event),
            repeat=True,
        )
        return codec.decode_as(TwinSeen, answer)

    async def record_drill(self, *, run: int, token: int, result: DrillResult) -> bool:
        (answer,) = await self._drilling.call(
            "select engine.record_drill(p_run => $1, p_token => $2, p_result => $3)",
            *(run, token, codec.encode(result)),
            repeat=False,
        )
        return bool(answer)

    async def finish_drill(self, *, run: int, token: int, error: str | None) -> bool:
        (answer,) = await self._drilling.call(
            "select engine.finish_drill(p_run => $1, p_token => $2, p_error => $3)",
            *(run, token, error),
            repeat=False,
        )
        return bool(answer)
