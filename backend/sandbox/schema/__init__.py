"""JSON Schema: an example of one, and what each provider refuses in one."""
