"""What all calls of one account share."""
