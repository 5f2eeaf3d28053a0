"""What every client can do, and the way from arguments to a request."""
