"""Scanners: programs and services outside Careen that look for vulnerabilities in images. None comes with it."""
