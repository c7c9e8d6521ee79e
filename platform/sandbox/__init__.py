"""Local stand-ins for outside parties, each a process on the real party's wire format.

They are refused in production (sandbox/serving.py) and nothing imports them.
"""
