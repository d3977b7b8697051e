"""One connection to one host, carrying one executor. Only ssh.py dials with asyncssh, only loopback.py serves with it."""
