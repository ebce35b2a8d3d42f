"""Shipped for tests, ours and those of backends: conformance suites, hypothesis strategies, and the oracle."""
