"""Speed and memory, measured on a fresh embedded stack. Never part of the tests."""
