"""The world outside, made small: contest platforms, a mail server and a webhook provider on this machine."""
