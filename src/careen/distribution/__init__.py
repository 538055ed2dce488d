"""The OCI distribution API: HTTP to use case and back. ``app.py`` lists the endpoints."""
