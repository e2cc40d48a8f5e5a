"""`empire venue <name>`: runs a simulated broker; prints `ready <url>` when it listens."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer
from aiohttp import web

from local.venues.faults import BadFault, Faults, parse_faults
from local.venues.market import Market
from local.venues.metatrader.server import Venue as MetaTrader
from local.venues.topstepx.contracts import Catalogue
from local.venues.topstepx.server import Venue as TopstepX
from local.venues.tradelocker.server import Venue as TradeLocker

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Options:
    """What a simulator is told. `tick_ms` 0 = prices only move by hand; `limited` = its rate limits hold."""

    port: int
    seed: int = 1
    accounts: int = 2
    faults: str = ""
    tick_ms: int = 250
    limited: bool = True


@dataclass(frozen=True, slots=True)
class Simulator:
    """A simulator's server, and the market that has to tick meanwhile."""

    app: web.Application
    market: Market


def tradelocker(options: Options) -> Simulator:
    """A simulated TradeLocker."""
    market = Market(seed=options.seed)
    faults = Faults(parse_faults(options.faults), options.seed)
    venue = TradeLocker(market, faults, seed=options.seed, accounts=options.accounts, limited=options.limited)
    return Simulator(venue.app(), market)


def topstepx(options: Options) -> Simulator:
    """A simulated TopstepX. Its market is futures, each month priced by its contract id."""
    contracts = Catalogue()
    market = Market(contracts.specs(), options.seed)
    faults = Faults(parse_faults(options.faults), options.seed)
    venue = TopstepX(
        market, contracts, faults, seed=options.seed, accounts=options.accounts, limited=options.limited
    )
    return Simulator(venue.app(), market)


def metatrader(options: Options) -> Simulator:
    """A simulated MetaApi: MetaTrader 4 and 5 accounts."""
    market = Market(seed=options.seed)
    faults = Faults(parse_faults(options.faults), options.seed)
    venue = MetaTrader(market, faults, seed=options.seed, accounts=options.accounts, limited=options.limited)
    return Simulator(venue.app(), market)


VENUES: dict[str, Callable[[Options], Simulator]] = {
    "tradelocker": tradelocker,
    "topstepx": topstepx,
    "metatrader": metatrader,
}
"""The simulators by name."""


def venue(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(VENUES)}.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 chooses one.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same market and the same faults.")] = 1,
    accounts: Annotated[int, typer.Option(min=1, help="Accounts of each user.")] = 2,
    faults: Annotated[str, typer.Option(help="kind[=value][@operation][:rate|xTIMES], ...")] = "",
    tick_ms: Annotated[int, typer.Option(min=0, help="Between two moves of the market; 0 = none.")] = 250,
    limits: Annotated[bool, typer.Option(help="Enforce the broker's rate limits.")] = True,
) -> None:
    """Run a simulated broker, in that broker's own wire format."""
    make = VENUES.get(name)
    if make is None:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(VENUES)}.")
    options = Options(port, seed, accounts, faults, tick_ms, limits)
    try:
        asyncio.run(_serve(make, options))
    except (BadFault, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


async def _serve(make: Callable[[Options], Simulator], options: Options) -> None:
    simulator = make(options)
    runner = web.AppRunner(simulator.app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, options.port)
        await site.start()
        stopped = _on_signals()
        port = runner.addresses[0][1]
        typer.echo(f"ready http://{HOST}:{port}")
        await _tick_until(stopped, simulator.market, options.tick_ms)
    finally:
        await runner.cleanup()


def _on_signals() -> asyncio.Event:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped


async def _tick_until(stopped: asyncio.Event, market: Market, tick_ms: int) -> None:
    if not tick_ms:
        await stopped.wait()
    while not stopped.is_set():
        try:
            await asyncio.wait_for(stopped.wait(), tick_ms / 1000)
        except TimeoutError:
            market.step()
