"""What the two files of a Model Explorer picture are made of."""
