"""What calls have used and cost, kept by day, provider, model, service tier and tags."""
