"""Two backwards over one graph add up in the leaves, and only there: 30, then 60.

    gradscope trace examples/engine_twice.py

Look for: nothing is said. The engine sets the gradients of what was computed, `u` and `y`, back to zero
before each backward; engine_stale.py is the same program in an engine that does not.
"""

from engine import Value

x = Value(1.0)
u = 3 * x + 2
y = u**2
for _ in range(2):
    y.backward()
    print(x.grad)
