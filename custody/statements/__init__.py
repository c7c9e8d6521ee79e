"""Statements of account: reading.py reads them, exports.py turns them into files.

Nothing is imported here: the processes that typeset and pack start without Django.
"""
