"""The screen of `gradscope gate`."""
