"""The documented classes, and the service that asks a server over HTTP."""
