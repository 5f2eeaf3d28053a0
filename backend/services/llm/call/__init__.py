"""The life of a call: attempts, waits, repair turns, and the drivers that perform them."""
