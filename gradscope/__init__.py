"""gradscope: what happened to the gradients, line by line."""

__version__ = "0.1.0"
