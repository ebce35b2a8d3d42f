"""Rows ready to serve: keys and rows as bytes, the stores that hold them, the lookup and its answer."""
