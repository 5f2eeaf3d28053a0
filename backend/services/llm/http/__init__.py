"""HTTP as the SDKs need it: connections, deadlines, bounds and the environment."""
