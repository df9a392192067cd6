"""The wire protocols that the lab speaks: what the real servers answer, byte for byte where clients look."""
