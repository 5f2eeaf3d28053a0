"""Providers: what is one provider's alone."""
