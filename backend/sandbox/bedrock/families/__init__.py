"""InvokeModel's bodies, one module for each form: to read one, to answer whole or in pieces."""
