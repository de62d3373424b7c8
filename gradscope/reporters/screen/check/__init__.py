"""The page of `gradscope check`: a line for each function, and below it what must be said of it."""
