"""What a homelab should be: topology.yaml and the services it names, read, checked and selected.

Facts about what is do not live here, and nothing here opens a connection.
"""
