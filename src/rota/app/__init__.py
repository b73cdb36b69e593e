"""What an application is made of, and how it is steered."""

from rota.app.application import Rota
from rota.app.blueprint import Blueprint

__all__ = ["Blueprint", "Rota"]
