"""The version of this package: here, so that everything in it can import it without a circle."""

__version__ = "0.1.0"
