"""Takes autograd graphs down as facts: their nodes, what these keep, and what a backward did at each."""
