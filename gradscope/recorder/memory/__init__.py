"""Memory: every storage that torch's ops allocate, from its birth to its death, and what it is for."""
