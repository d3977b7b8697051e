"""One task a host, one queue, one consumer: the run across hosts."""
