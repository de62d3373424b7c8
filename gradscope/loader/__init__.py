"""TARGET -> a program that can be run under the recorder, exactly as Python would run it.

target        what was typed          script        run as `__main__`
importing     file.py:attr            model         a module or function, forward and backward
expressions   `--input`               inputs, guess, loss, placement: what a model needs
ending        how the program ended   candidates    a file that only defines modules
"""
