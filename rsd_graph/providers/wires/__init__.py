"""One file for each server's protocol: how it continues text. No PRM is read here."""
