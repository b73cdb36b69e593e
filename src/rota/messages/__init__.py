"""Messages, once to each recipient, and an account of them."""
