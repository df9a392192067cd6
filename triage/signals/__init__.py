"""The meaning: pure functions from promise and facts. No I/O, no clock, no memory of their own."""
