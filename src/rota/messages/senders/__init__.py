"""The ways out: mail by SMTP, a provider's HTTP calls, a signed webhook."""
