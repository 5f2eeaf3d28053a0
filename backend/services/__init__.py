"""Services of the backend."""
