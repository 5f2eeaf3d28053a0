"""Removes secrets, quotations and control characters from texts that others wrote."""
