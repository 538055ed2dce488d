"""The fleet: repositories of many accounts and Regions, Amazon's or anybody's, through the APIs of AWS alone.

``scan.scan`` reads accounts into an inventory, one file; what reports, plans and applies reads that file. Nothing here prints, and
nothing knows a registry's inside: it works on Amazon ECR, on Careen and on whatever else speaks ECR's API.
"""
