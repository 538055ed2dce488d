"""Who is asking, and may they: signatures, tokens, keys, actions and policies. Values and pure functions.

The clock is handed in, and it is the system's: unlike image ages, security never runs on a clock that a test
or a demonstration may move.
"""
