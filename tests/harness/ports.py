"""Free ports of 127.0.0.1."""
import random
import socket

# Below those that the system gives to outgoing connections (from 32768 on): one of them would take
# the port of a server that is down for a moment, and it could not come back.
PORTS = range(12000, 30000)
TRIES = 100


def free_port() -> int:
    """A port that nobody listens on. Two who ask at once get different ones, as good as surely."""
    for _ in range(TRIES):
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError(f"none of {TRIES} ports of 127.0.0.1 is free")
