"""The user's code in a process of its own, which may hang or crash.

request    what is asked for          messages   what is told      children   the parent's side
worker     the child's side: program (import, run, check one by one), running, targets, one, extras
last_words where a process was when it died
"""
