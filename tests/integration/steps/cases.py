"""Where a life is played: each simulated broker, an account of it, and what is traded there."""

from __future__ import annotations

import dataclasses
import random
import uuid
from decimal import Decimal as D

from msgspec.structs import replace

from shared.brokers.port import Broker
from shared.models.market import Instrument
from shared.models.trading import Account
from tests.conformance import test_metatrader, test_topstepx, test_tradelocker
from tests.conformance.simulators import Operator, running_simulator
from tests.integration.steps.house import Place, house
from tests.integration.steps.life import Ground, Life
from tests.support.clusters import Database

QUICK = {"confirm": 0.2, "lag": 0.3, "reapply": 0.05}
"""Seconds that an adapter waits for what should be there: a simulator in the next room has it at once."""
UNLIMITED = dict.fromkeys(("all", "reads", "bars"), (100_000, 1.0))
PAIR = Ground("OANDA:EURUSD", "EURUSD", D("1.09500"), D("0.00006"), D("0.00001"), D("0.01"), "lots")
FUTURE = Ground("CME_MINI:MNQ1!", "MNQ", D("25000.00"), D("0.25"), D("0.25"), D(1), "contracts")


async def at_tradelocker(operator: Operator) -> tuple[Place, Broker, Account]:
    """A hedging account."""
    place = test_tradelocker.TradeLockerVenue(
        operator, lambda: None, patience=test_tradelocker.Patience(**QUICK)
    )
    hand = await place.connect()
    return place, hand, test_tradelocker.account(place.number)


async def at_topstepx(operator: Operator) -> tuple[Place, Broker, Account]:
    """A netting account of futures."""
    place = test_topstepx.TopstepXVenue(
        operator, lambda: None, limits=UNLIMITED, patience=test_topstepx.Patience(**QUICK)
    )
    hand = await place.connect()
    return place, hand, test_topstepx.account(place.number)


async def at_metatrader(operator: Operator, kind: int) -> tuple[Place, Broker, Account]:
    """Hedging or netting, by the kind of account."""
    place = test_metatrader.MetaTraderVenue(
        operator, test_metatrader.KIND_NAMES[kind], patience=test_metatrader.Patience(**QUICK)
    )
    hand = await place.connect()
    return place, hand, test_metatrader.account(await place.number(), place.mode)


NETTING = next(n for n, each in enumerate(test_metatrader.KINDS) if not each.hedging)
HEDGING = next(n for n, each in enumerate(test_metatrader.KINDS) if each.hedging)
CASES = {
    "tradelocker": (("tradelocker",), PAIR, at_tradelocker),
    "topstepx": (("topstepx",), FUTURE, at_topstepx),
    "metatrader hedging": (
        ("metatrader", "--accounts", str(len(test_metatrader.KINDS))),
        PAIR,
        lambda operator: at_metatrader(operator, HEDGING),
    ),
    "metatrader netting": (
        ("metatrader", "--accounts", str(len(test_metatrader.KINDS))),
        PAIR,
        lambda operator: at_metatrader(operator, NETTING),
    ),
}


async def lived(database: Database, case: str, seed: int, steps: int) -> Life:
    """So many steps of a life at a simulator of its own; every quiet point in it was held."""
    (name, *options), ground, begin = CASES[case]
    with running_simulator(name, "--no-limits", "--seed", str(seed), *options) as operator:
        if name == "topstepx":
            ground = dataclasses.replace(ground, listing=operator.ask("contracts")[ground.listing])
        place, hand, account = await begin(operator)
        account = replace(account, id=str(uuid.uuid4()), connection_id=str(uuid.uuid4()))
        async with house(database, place, hand, account) as made:
            await made.price(ground.listing, ground.bid, ground.bid + ground.spread)
            instrument = await hand.instrument(ground.symbol)
            assert isinstance(instrument, Instrument)
            life = Life(made, ground, instrument, random.Random(seed), ground.bid)
            await life.play(steps)
        for each in place.opened:
            await each.close()
    return life
