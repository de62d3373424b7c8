"""The page of `gradscope memory`, a file for each of its parts."""
