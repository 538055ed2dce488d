"""Images that lie in the folders of another registry, or in OCI image layouts: what is there, and the way in.

Where they come from is only read. What comes of it is decided as for a push, by the registry's use cases.
"""
