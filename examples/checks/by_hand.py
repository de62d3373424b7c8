"""A derivative by hand, right until the function changes.

    gradscope check examples/checks/by_hand.py:before --input 'tensor(3.0)' --against df
    gradscope check examples/checks/by_hand.py:after --input 'tensor(3.0)' --against df

Look for: 18 against 18, then 18 against 23. `df` is the derivative of 3x**2; a term was added to the
function and not to its derivative, and every value is off by 5.
"""


def before(x):
    return 3 * x**2


def after(x):
    return 3 * x**2 + 5 * x


def df(x):  # <- GS601
    return 6 * x
