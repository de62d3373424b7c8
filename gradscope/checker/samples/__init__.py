"""A function -> the arguments that it is checked on.

arguments   from --input, gradscope_inputs, calls that were seen, or trial, in that order
inference, roles, trials: by trial, from names, annotations and the source
capture     the calls that a program makes, with kept_calls, held_tensors (what ctx holds), double_use
            (what is differentiated twice) and program_mode
"""
