"""MetaTrader 4 and 5 (through MetaApi's REST API) behind the port. What it can and cannot do: README.md."""
