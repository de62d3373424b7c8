"""The gate: targets that a configuration lists, each run in a process of its own, judged and summed up."""
