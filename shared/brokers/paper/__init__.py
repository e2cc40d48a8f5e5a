"""The paper broker: a product feature, and a broker like any other to everything above it."""
