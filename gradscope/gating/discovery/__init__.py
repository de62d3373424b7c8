"""What of a repository a gate could run, found in its text, and the first configuration made of it."""
