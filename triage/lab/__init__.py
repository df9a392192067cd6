"""A world in a process: it simulates models in production and speaks the wire protocols of the systems around them.

It is outside the product and imports none of it; the product's own clients talk to it over HTTP.
"""
