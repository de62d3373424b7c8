"""A module -> the functions in it that have a backward of their own.

discovery    Functions, custom ops, and what was named     custom_ops   the autograd behind an operator
unwrapping   the user's own `def` under decorators         sources      its lines, and what they declare
keys         which of them a call belongs to
"""
