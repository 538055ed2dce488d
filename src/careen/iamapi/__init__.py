"""The part of IAM's and STS's APIs that users and roles need: one function per operation, over the query protocol.

The door is ``careen.ecrapi.app``, where requests to ``POST /`` come in and are verified.
"""
