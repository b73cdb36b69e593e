"""How and where attempts are done."""
