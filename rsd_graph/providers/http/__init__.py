"""One HTTP exchange: address, connections, retries, errors in our words. No server's protocol."""
