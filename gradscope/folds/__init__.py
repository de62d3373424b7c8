"""Folds keep: small state machines that turn events into bounded facts, without torch."""
