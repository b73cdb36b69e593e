"""Rota: the right job, at the right moment, once, and you can see why."""
