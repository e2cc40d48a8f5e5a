"""Simulated brokers: servers with each broker's real wire format, a matching engine, and faults to order."""
