"""Two layers of one neuron each, in the engine of engine.py: the squared error, differentiated.

    gradscope trace examples/engine_neuron.py

Look for the table: how the error of the prediction, -2.76, comes down through w3 and the relu to
w1 and w2. The numbers 1.5 and -2 are constants: they are in no row.
"""

from engine import Value

w1, w2, w3 = Value(0.6), Value(0.4), Value(1.2)
hidden = (w1 * 1.5 + w2 * -2.0).relu()
prediction = w3 * hidden
loss = (prediction - 1.5) ** 2
loss.backward()
print(f"{loss.data:.4f} {w1.grad:.3f} {w2.grad:.3f} {w3.grad:.3f}")
