"""Every knob, and where a host's settings and keys are found."""
