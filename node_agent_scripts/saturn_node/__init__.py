"""The executor: what saturn ships to a node and runs there. Standard library only, Python 3.8 or newer.

conversation reads requests from stdin and answers each with [STRUCT] events on stdout: facts says what is true on the
node now; launch starts a worker that belongs to the node, not to the session; follower tails the worker's event file.
worker takes the lock and walks the stages: prepare, validate, deploy, verify, complete, and diagnose on a failure.
"""
