"""Known ways of keeping less for the backward: told only where the graph shows that one applies."""
