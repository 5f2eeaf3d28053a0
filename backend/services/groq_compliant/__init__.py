"""Behind `groq_client_compliant`: the client but for its SDK, and the command line."""

#: As in CHANGELOG.md.
VERSION = "0.1.0"
