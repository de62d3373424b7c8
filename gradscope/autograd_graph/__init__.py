"""What a picture of an autograd graph shows: modules folded up, one path, one line, colours. No torch."""
