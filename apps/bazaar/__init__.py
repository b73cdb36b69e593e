"""Multiverse Bazaar: what people build and show there is kept in order by seven jobs."""
