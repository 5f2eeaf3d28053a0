"""The HTTP server on loopback: connections, delivery, and the object that a suite holds."""

from .sandbox import Sandbox

__all__ = ["Sandbox"]
