"""The recorder sees: it puts hooks in, tells events, and takes every hook out again."""
