"""What the tailnet knows of a host: addresses, who is online, by which path, with which host keys.

Nothing above depends on it yet: hosts are dialled by their `address`. It may import errors and events only.
"""
