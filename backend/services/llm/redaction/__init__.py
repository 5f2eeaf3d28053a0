"""What may be shown of a text that others wrote."""
