"""What a release consists of, made from a commit: ``python -m release``. docs/release.md says when and by whom.

``packages`` builds the sdist and the wheel, ``bom`` says what they need and have in them, ``licences`` under which terms.
"""
