"""What the engine runs on: threads and timers of its own."""
