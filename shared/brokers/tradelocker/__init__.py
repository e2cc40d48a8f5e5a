"""TradeLocker (public REST API) behind the port. What it can and cannot do: README.md."""
