"""The executor: what saturn ships to a node and runs there. Standard library only, Python 3.8 or newer.

    conversation  reads requests from stdin, answers each with [STRUCT] events on stdout
      facts        what is true on the node now (read-only)
      launch       starts a worker that belongs to the node, not to the session
      follower     tails the worker's event file to stdout
    worker        takes the lock and walks the stages: prepare, validate, deploy, verify, complete; diagnose on failure
"""
