"""Measures shredder beside other tools; `scripts/bench` runs it."""
