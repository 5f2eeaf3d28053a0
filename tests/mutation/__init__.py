"""Small changes of the pure modules, each of which some test must notice: `make mutants`."""
