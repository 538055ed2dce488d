"""ECR's lifecycle policies, pure: text in, decisions out.

``policy.parse`` reads a policy, ``evaluate.evaluate`` decides what happens to every image of a repository and
``reason.reason`` says why. Nothing here reads a clock, a row or a socket; the nightly run, the preview, the
command line and the tests all call the same functions. ``docs/lifecycle.md`` explains the rules,
``docs/adr/0003-lifecycle-readings.md`` answers the questions that Amazon's documentation leaves open.
"""
