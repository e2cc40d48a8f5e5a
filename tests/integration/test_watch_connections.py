"""The watch at a broker with a login: it opens the credential by its own lease, reads, and a limit fires there."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal as D

from local.demo.people import endpoint_url
from local.keys.files import KeyFiles
from shared import codec
from tests.conformance.simulators import running_simulator
from tests.integration.test_worker_connections import INTENT, send
from tests.support.connections import Customer, fleet_worker
from tests.support.stacks import RunningStack
from tests.support.trading import until as wait_until

WAIT_S = 60.0


async def until(condition: Callable[[], str]) -> str:
    """The first text that is not empty; TimeoutError when none comes in time."""
    found = ""

    async def there() -> bool:
        nonlocal found
        found = condition()
        return bool(found)

    await wait_until(there, WAIT_S)
    return found


async def test_a_limit_fires_at_a_broker_with_a_login(
    stack: RunningStack, trader: Customer, files: KeyFiles
) -> None:
    """TradeLocker: the market takes the account through its daily loss; flat there, locked here, by a worker that only
    watches."""
    sql = stack.database.sql
    with running_simulator("tradelocker") as venue:
        urls = {"tradelocker": venue.url}
        with (
            fleet_worker(stack.database, files, urls),
            fleet_worker(stack.database, files, urls, "positions"),
        ):
            connection = await trader.connect()
            assert (await trader.checked(connection))["status"] == "connected"
            account = (await trader.accounts(connection))[0]
            await trader.call("enable_account", p_account_id=account["id"])
            endpoint = await trader.call(
                "create_endpoint", p_broker="tradelocker", p_name="TL", p_account_ids=[account["id"]]
            )
            url = await endpoint_url(trader.login, trader.client, endpoint)
            venue.price("EURUSD", D("1.10000"), D("1.10006"))
            opened = await send(trader, url, **INTENT)
            assert [each["outcome"] for each in opened.deliveries] == ["executed"], opened.deliveries
            of_it = f"account_id = '{account['id']}'"
            sql(
                f"insert into engine.account_days (account_id, trading_day, began_at, ends_at, start_balance, start_equity, source)"
                f" select id, engine.trading_day(timezone, reset_time, now()), engine.day_began(timezone, reset_time,"
                f" engine.trading_day(timezone, reset_time, now())), engine.day_began(timezone, reset_time,"
                f" engine.trading_day(timezone, reset_time, now()) + 1), balance, equity, 'confirmed'"
                f" from public.broker_accounts where id = '{account['id']}' on conflict (account_id, trading_day) do update"
                f" set start_balance = excluded.start_balance, start_equity = excluded.start_equity, source = 'confirmed'"
            )
            rules = json.dumps({"daily_loss": {"limit": 100, "unit": "account", "buffer_pct": 0}})
            sql(f"insert into public.risk_settings (user_id, rules) values ('{trader.user_id}', '{rules}')")
            venue.price("EURUSD", D("1.08900"), D("1.08906"))
            fired = codec.decode(
                await until(lambda: sql(f"select to_jsonb(b) from engine.breaches b where {of_it}"))
            )
            ended = f"select outcome from public.deliveries where event_id = {fired['event_id']} and status = 'done'"
            assert await until(lambda: sql(ended)) == "executed"
            assert venue.state()[account["account_id"]]["positions"] == []
    assert (fired["rule"], D(fired["numbers"]["value"]) >= 100) == ("daily_loss", True), fired
    assert sql(f"select lock_reason from public.broker_accounts where id = '{account['id']}'") == "daily_loss"
