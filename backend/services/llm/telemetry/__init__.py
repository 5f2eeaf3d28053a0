"""What is made of a call's events: log lines, traces and metrics."""
