"""Each provider's language: our request to its own, its answers and errors to ours."""
