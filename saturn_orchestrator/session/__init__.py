"""One connection to one host, carrying one executor. Only ssh.py and loopback.py know asyncssh.

Everything above sees a Session.
"""
