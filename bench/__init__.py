"""Rota beside its peers: one command, one run, ratios."""
