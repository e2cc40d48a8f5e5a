"""`empire packs | risk | drill`: the limits in force, how far away each is, and whether each has been seen to fire."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from local.console import commands, session
from local.console.commands import Code, Json
from local.console.events import Row
from local.console.flatten import accounts_named
from local.console.render import plain
from local.paths import Paths
from shared import clock
from shared.models.limits import FloorSeed
from shared.risk.calendars.ends import ending
from shared.risk.packs import Applied, PackData, PackError, apply_pack
from shared.risk.packs import packs as known_packs
from supabase import AsyncClient

_ACCOUNT = (
    "id,label,account_id,broker,currency,timezone,reset_time,initial_balance::text,balance::text,equity::text,"
    "locked_until,lock_reason"
)
_STANDING = "scope,rule,value::text,threshold::text,distance::text,why,at"
_STATUS = "scope,rule,settings,state,passed_at,told"
SILENT_S = 180.0
"""A drill of which nothing new is heard for so long is not waited for any more. One limit takes a minute at most."""
STATES = {
    "never": "never drilled",
    "failed": "DID NOT FIRE in its last drill",
    "stale_settings": "stale: drilled with other settings",
    "stale_age": "stale: drilled more than 30 days ago",
}


def packs(as_json: Json = False) -> None:
    """The rule packs there are: sizes, stages, options, and where their figures come from."""
    if as_json:
        print(json.dumps([each.model_dump(mode="json") for each in known_packs().values()]))
        return
    for each in known_packs().values():
        print("\n".join(_pack_lines(each)))


def risk(
    account: Annotated[str, typer.Argument(help="label, number or id of the account")],
    pack: Annotated[str | None, typer.Option(help="set this pack's rules (see empire packs)")] = None,
    size: Annotated[str | None, typer.Option(help="of the pack, such as 50K")] = None,
    stage: Annotated[str | None, typer.Option(help="of the pack, such as combine")] = None,
    option: Annotated[list[str] | None, typer.Option(help="of the pack; may be given several times")] = None,
    floor: Annotated[str | None, typer.Option(help="the trailing floor that the firm shows now")] = None,
    as_json: Json = False,
    code: Code = None,
) -> None:
    """The limits in force, the distance to each, locks and drills; with --pack, set a pack's rules first."""
    applied = None if pack is None else _applied(pack, size, stage, option or [], floor)
    told = commands.run(_risk(account, applied, code))
    print(json.dumps(told.as_dict()) if as_json else "\n".join(told.lines()))


def drill(
    account: Annotated[str, typer.Argument(help="label, number or id of the account")],
    rule: Annotated[str | None, typer.Option(help="this limit only")] = None,
    as_json: Json = False,
    code: Code = None,
) -> None:
    """Have every limit shown to fire, on a synthetic twin of the account. Ends 0 when all did, 1 otherwise."""
    results, error = commands.run(_drill(account, rule, code))
    if as_json:
        print(json.dumps({"results": results, "error": error}))
    else:
        for each in results:
            verdict = "fired " if each["passed"] else "FAILED"
            print(plain(f"{verdict} {each['rule']} ({each['scope']}): {each['told']}"))
        if error is not None:
            print(plain(error))
    raise typer.Exit(0 if results and error is None and all(each["passed"] for each in results) else 1)


@dataclass(frozen=True, slots=True)
class Told:
    """An account with its limits, where they stand, and their drills."""

    account: Row
    limits: Sequence[Row]
    standings: Sequence[Row]

    def as_dict(self) -> dict[str, Any]:
        """For scripts: every limit with its standing and its drill."""
        places = {(each["scope"], each["rule"]): each for each in self.standings}
        limits = [
            {**each, "standing": places.get((each["scope"], _money_rule(each["rule"])))}
            for each in self.limits
        ]
        return {"account": self.account, "limits": limits}

    def lines(self) -> list[str]:
        """For people."""
        told, a = self.as_dict()["limits"], self.account
        name, money = a["label"] or a["account_id"], a["currency"]
        head = (
            f"{plain(name)} ({a['broker']}): equity {a['equity']} {money}, began with {a['initial_balance']}"
        )
        lines = [f"{head}; its day begins at {a['reset_time'][:5]} {plain(a['timezone'])}"]
        until = a["locked_until"]
        if until is not None and datetime.fromisoformat(until) > datetime.now(UTC):
            lines.append(f"LOCKED ({plain(a['lock_reason'] or 'no reason given')}) until {until}")
        lines += [_limit_line(each, money) for each in told]
        return lines if told else [*lines, "No limit is set: empire risk ACCOUNT --pack ..., or set_risk."]


def _limit_line(limit: Mapping[str, Any], currency: str) -> str:
    text = f"{limit['rule']} ({limit['scope']}): {_setting(limit['settings'])}"
    standing = limit["standing"]
    if standing is not None and standing["distance"] is not None:
        text += f" | now {standing['value']}, fires at {standing['threshold']}, {standing['distance']} {currency} left"
    elif standing is not None:
        text += f" | not armed: {standing['why']}"
    state = limit["state"]
    text += (
        f" | fired in the drill of {limit['passed_at'][:10]}" if state == "passed" else f" | {STATES[state]}"
    )
    calendar = limit["settings"].get("calendar") if isinstance(limit["settings"], dict) else None
    if calendar is not None and (said := ending(calendar, clock.now())) is not None:
        text += f" | {said}"
    return plain(text)


def _money_rule(rule: str) -> str:
    return "daily_loss" if rule.startswith("max_daily_loss") else rule


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_setting(each)}" for name, each in value.items() if each is not None)
    return " ".join(_setting(each) for each in value) if isinstance(value, list) else str(value)


def _pack_lines(pack: PackData) -> list[str]:
    lines = [f"{pack.name} {pack.version}: {pack.title}"]
    for name, stage in pack.stages.items():
        lines.append(f"  --stage {name} --size {'|'.join(stage.sizes)}: {stage.title}")
    for name, option in pack.options.items():
        lines.append(f"  --option {name}: {option.title}")
    lines += [f"  {each}" for each in pack.says]
    return lines + [f"  from {each.url}, read {each.read_on}" for each in pack.sources]


def _applied(
    pack: str, size: str | None, stage: str | None, options: list[str], floor: str | None
) -> Applied:
    if size is None or stage is None:
        raise typer.BadParameter("a pack needs --size and --stage (see empire packs)")
    try:
        seed = None
        if floor is not None:
            today = datetime.now(UTC).date()
            seed = FloorSeed(amount=Decimal(floor), on=today, by="the trader, as the firm shows it")
        return apply_pack(pack, size, stage, options=tuple(options), floor_seed=seed)
    except (InvalidOperation, PackError) as error:
        raise typer.BadParameter(
            str(error) if isinstance(error, PackError) else f"{floor} is no amount"
        ) from None


async def _risk(name: str, applied: Applied | None, code: str | None) -> Told:
    client = await session.sign_in(session.saved(Paths.find().login), code)
    account = await _one_account(client, name)
    if applied is not None:
        await _set(client, account, applied)
    return await read(client, account)


async def read(client: AsyncClient, account_id: str) -> Told:
    """The limits of an account as they are now."""
    accounts = await session.rows(client.table("broker_accounts").select(_ACCOUNT).eq("id", account_id))
    limits = client.table("drill_status").select(_STATUS).eq("account_id", account_id)
    standings = client.table("account_risk").select(_STANDING).eq("account_id", account_id)
    return Told(
        accounts[0], await session.rows(limits.order("rule").order("scope")), await session.rows(standings)
    )


async def _set(client: AsyncClient, account_id: str, applied: Applied) -> None:
    """The pack's clocks and rules. Rules of the account that the pack does not speak of stay as they are."""
    clocks = {"timezone": applied.account.timezone, "reset_time": f"{applied.account.reset_time:%H:%M}"}
    clocks["initial_balance"] = str(applied.account.initial_balance)
    await session.call(client, "set_account", p_account_id=account_id, p_values=clocks)
    query = client.table("risk_settings").select("rules").eq("account_id", account_id)
    held = await session.rows(query.is_("superseded_at", "null").order("effective_from", desc=True).limit(1))
    rules = (held[0]["rules"] if held else {}) | applied.rules.model_dump(mode="json", exclude_none=True)
    await session.call(client, "set_risk", p_scope={"account_id": account_id}, p_values={"rules": rules})


async def _drill(name: str, rule: str | None, code: str | None) -> tuple[list[Row], str | None]:
    client = await session.sign_in(session.saved(Paths.find().login), code)
    account = await _one_account(client, name)
    run = await session.call(client, "request_drill", p_account_id=account, p_rule=rule)
    return await follow(client, run)


async def follow(client: AsyncClient, run: int, silent_s: float = SILENT_S) -> tuple[list[Row], str | None]:
    """The results of a drill once it has ended, and what went wrong with it as a whole."""
    heard, deadline = None, 0.0
    while True:
        (row,) = await session.rows(client.table("drill_runs").select("status,error").eq("id", run))
        shown = await session.rows(client.table("drills").select("id").eq("run_id", run))
        if heard != (row["status"], len(shown)):
            heard, deadline = (row["status"], len(shown)), time.monotonic() + silent_s
        if row["status"] in ("done", "failed") or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.3)
    results = client.table("drills").select("scope,rule,passed,told,settings,numbers,at").eq("run_id", run)
    error = row["error"] or _unfinished(row["status"], len(shown), silent_s)
    return await session.rows(results.order("rule").order("scope")), error


def _unfinished(status: str, shown: int, silent_s: float) -> str | None:
    """What is said of a drill that has not ended."""
    if status == "done":
        return None
    if status == "waiting":
        return (
            f"No worker has begun the drill within {silent_s:.0f} s; it stays asked for. "
            "Is one running (empire worker)?"
        )
    return (
        f"Nothing new was heard of the drill for {silent_s:.0f} s, after {shown} limits. It goes on, or another "
        "worker begins it anew; empire risk tells what each limit did."
    )


async def _one_account(client: AsyncClient, name: str) -> str:
    found = await accounts_named(client, name)
    if len(found) != 1:
        raise session.NotSignedIn(
            f"You have {len(found) or 'no'} account{'s' if found else ''} called {name}."
        )
    return str(found[0]["id"])
