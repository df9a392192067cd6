"""The promise: what the model notebook of a model says about it."""
