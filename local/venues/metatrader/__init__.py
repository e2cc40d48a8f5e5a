"""A simulated MetaApi in front of MetaTrader 4 and 5 accounts: its REST API, accounts, terminal and trading."""
