"""Checks for the book's exercises: they say what is wrong with an answer, not only that it is wrong.

One module a chapter holds the checks that its notebooks import; `core` holds what they share.
"""
