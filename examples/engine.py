"""A whole autograd engine for single numbers: values that remember how they were made.

    gradscope trace examples/engine.py

Look for: a `Value` keeps the values it was made of and its local derivatives, and `backward` is a
loop that multiplies and adds them up. The table is the one that torch gets for the same lines.
"""

import math


class Value:
    """A number, its gradient, and how it was made: from `_prev`, by `_op`, with derivatives `_local`."""

    def __init__(self, data, _prev=(), _op="", _local=()):
        self.data = data
        self.grad = 0.0
        self._prev = _prev
        self._op = _op
        self._local = _local

    def __repr__(self):
        return f"Value({self.data:g}, grad={self.grad:g})"

    # ---------------------------------------------------------------- backward

    def backward(self):
        """Adds the derivative of this value to the `grad` of every leaf it was made of, as torch does."""
        order = self._made_of()
        for value in order:
            if value._prev:  # only leaves add up over several backwards
                value.grad = 0.0
        self.grad += 1.0
        for value in reversed(order):
            for child, slope in zip(value._prev, value._local):
                child.grad += slope * value.grad

    def _made_of(self):
        """Every value below this one, each once, what it was made of before it. No recursion."""
        order, seen, todo = [], set(), [(self, False)]
        while todo:
            value, complete = todo.pop()
            if complete:
                order.append(value)
            elif value not in seen:
                seen.add(value)
                todo.append((value, True))
                todo += [(child, False) for child in value._prev]
        return order

    # ---------------------------------------------------------------- arithmetic

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), "+", (1.0, 1.0))

    def __sub__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data - other.data, (self, other), "-", (1.0, -1.0))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), "*", (other.data, self.data))

    def __truediv__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        quotient = self.data / other.data
        return Value(quotient, (self, other), "/", (1 / other.data, -quotient / other.data))

    def __pow__(self, exponent):
        slope = exponent * self.data ** (exponent - 1) if exponent else 0.0
        return Value(self.data**exponent, (self,), f"**{exponent}", (slope,))

    def __neg__(self):
        return Value(-self.data, (self,), "neg", (-1.0,))

    def __radd__(self, other):
        return Value(other) + self

    def __rsub__(self, other):
        return Value(other) - self

    def __rmul__(self, other):
        return Value(other) * self

    def __rtruediv__(self, other):
        return Value(other) / self

    def __rpow__(self, base):
        power = base**self.data
        return Value(power, (self,), f"{base}**", (power * math.log(base),))

    # ---------------------------------------------------------------- functions

    def exp(self):
        result = math.exp(self.data)
        return Value(result, (self,), "exp", (result,))

    def log(self):
        return Value(math.log(self.data), (self,), "log", (1 / self.data,))

    def sin(self):
        return Value(math.sin(self.data), (self,), "sin", (math.cos(self.data),))

    def tanh(self):
        result = math.tanh(self.data)
        return Value(result, (self,), "tanh", (1 - result**2,))

    def sigmoid(self):
        result = 0.5 + 0.5 * math.tanh(0.5 * self.data)  # 1 / (1 + e**-x), which would overflow
        return Value(result, (self,), "sigmoid", (result * (1 - result),))

    def relu(self):
        return Value(max(self.data, 0.0), (self,), "relu", (float(self.data > 0),))


if __name__ == "__main__":
    x = Value(2.0)
    a = x * 3
    b = a + 1
    c = b**2
    c.backward()
    print(c, x)
