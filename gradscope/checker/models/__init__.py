"""A whole nn.Module in float64, along random directions, down to the module whose backward is wrong.

checking    `check_model`                            float64_copy   the module, evaluated again and again
objective   a number of its outputs                  stops, precision: what detaches, what casts down
slope, probe: derivatives along directions           calls, fault   where it goes wrong
"""
