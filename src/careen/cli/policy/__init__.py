"""``careen policy``: try lifecycle policies on images from a file. Needs no server, no account and no network."""
