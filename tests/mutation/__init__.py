"""Mutants of the arithmetic of money: what the tests of shared/risk do not notice must be listed, with a reason."""
