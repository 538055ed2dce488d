"""Careen beside other registries, on one machine, in one run: ``python -m benchmarks``.

Every server gets the same blobs and the same image, pushed over HTTP by the harness; the rounds of the
servers are interleaved, so that what else the machine does falls on all of them; a figure is the median of
its rounds. A rate here is worth little by itself: read the ratios, and read processor time per unit before
wall-clock time, since the load generators share the cores. Beside the figures stands what the machine could
do at all (``limits``).

Where things are: ``peers`` starts servers, ``content`` is what they hold, ``wire`` and ``load`` speak to
them, ``cases`` is the table of what is measured, ``rounds`` measures it, ``report`` says it. A new case is
one function and one row in ``cases``.
"""
