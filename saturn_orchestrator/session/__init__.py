"""One connection to one host, carrying one executor. Only ssh.py knows asyncssh; only local.py starts it here."""
