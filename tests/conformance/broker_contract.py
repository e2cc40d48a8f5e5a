"""What every broker adapter must do, driven through the port against its simulator.

An adapter passes by subclassing `BrokerContract` and giving it a `venue` fixture (`ContractVenue` in harness.py).
What an adapter cannot do it declares in its capabilities, and the contract asks for a clear refusal then. Nothing is
skipped.
"""

from __future__ import annotations

from tests.conformance.contract_doubts import Doubts
from tests.conformance.contract_moods import Moods
from tests.conformance.contract_trading import Trading


class BrokerContract(Trading, Doubts, Moods):
    """The contract. `venue` comes from the subclass's module."""
