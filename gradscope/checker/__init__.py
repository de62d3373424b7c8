"""Measures whether a gradient is right: a function -> a `CheckedFunction` (facts, no judgement).

subject     what is checked, and how it is called       point      where: arguments, flattened
copies      what a function is handed                   generators seeded before every evaluation
raised      what the user's code raised, in words       watched    what was seen while the program ran
own_dtypes  where float64 raises, the sample's dtypes   unusual    arguments that a function is not made for
subjects/   the functions of a module, their lines      samples/   their arguments, and calls that were seen
numeric/    analytical against numerical: probes, tolerance from noise, bisection, causes, patterns
cases/      every other check, one a file               run        all checks of one function
models/     a whole nn.Module                           ways/      ways of differentiating, --against, --sweep
process/    the user's code in a process of its own: the request, the worker, what it tells
"""
