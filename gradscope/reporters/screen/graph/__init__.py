"""The page of `gradscope graph`: the autograd graph of one backward, as a tree in the terminal."""
