"""Connect as a big fund runs it: two instances behind nginx, PostgreSQL with a replica, Redis, a worker."""
