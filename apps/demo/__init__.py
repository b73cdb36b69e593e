"""The world outside, made small: contest platforms, a mail server, a webhook provider and Valkey on this machine."""
