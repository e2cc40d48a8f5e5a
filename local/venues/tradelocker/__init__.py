"""A simulated TradeLocker: its public REST API, as the unmodified client `tradelocker` speaks it."""
