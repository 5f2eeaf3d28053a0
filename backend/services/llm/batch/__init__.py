"""Many prompts: read as there is room for them, answered side by side, each with its result."""
