"""The web console at ``/console/``: HTML for people, rendered here, readable without JavaScript.

What it shows and does goes through the operations of the API (:mod:`careen.console.visit`), so that nobody may do here what they
may not do there. Pages are functions in a file per subject, each with a table of its addresses; :mod:`careen.console.app` joins
them. Templates are Jinja's; htmx exchanges parts of pages, and takes them from the whole page that it asks for.
"""
