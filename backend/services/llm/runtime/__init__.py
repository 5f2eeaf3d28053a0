"""What the engine runs on: forks, event loops, threads, deadlines and signals."""
