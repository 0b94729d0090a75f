"""A private PostgreSQL server for the demo, the tests and trying things out.

Two kinds of server are made of the same parts:

- a *throwaway* server (:func:`serve`, or :func:`start` without a directory) ends with this
  process, however this process ends, and leaves nothing behind;
- a *kept* server (:func:`start` with a directory) goes on in the background until :func:`stop`, and its data
  stay.

Either listens on 127.0.0.1 only, has no Unix socket, and lets in who knows its random password. PostgreSQL
refuses to run as root, so root's server runs as an account without privileges; no account is made for it and
no folder of anyone's is opened for it. Nothing of the caller's environment reaches it, neither ``PG*``
variables nor secrets.

Needs a POSIX system. Nothing in pgslo starts a server behind its user's back.
"""

from pgslo.embedded.binaries import SUPERUSER, program
from pgslo.embedded.server import Server, kept_directory, running, serve, start, stop

__all__ = ["SUPERUSER", "Server", "kept_directory", "program", "running", "serve", "start", "stop"]
